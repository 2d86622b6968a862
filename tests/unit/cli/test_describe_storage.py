"""Descriptions of volumes, claims and classes, line by line as kubectl sets them."""

from __future__ import annotations

from pyrt.cli.describe.storage import describe_claim, describe_class, describe_volume, users_of

CLAIM = {
    "metadata": {"name": "data", "namespace": "default", "finalizers": ["kubernetes.io/pvc-protection"]},
    "spec": {"storageClassName": "standard", "volumeName": "pvc-1", "volumeMode": "Filesystem"},
    "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}},
}


def pod(name, **volume):
    return {"metadata": {"name": name}, "spec": {"volumes": [{"name": "data", **volume}]}}


def test_a_claim():
    pods = [
        pod("web", persistentVolumeClaim={"claimName": "data"}),
        pod("other", persistentVolumeClaim={"claimName": "more"}),
        pod("none", emptyDir={}),
    ]
    assert describe_claim(CLAIM, users_of(CLAIM, pods), []).splitlines() == [
        "Name:          data",
        "Namespace:     default",
        "StorageClass:  standard",
        "Status:        Bound",
        "Volume:        pvc-1",
        "Labels:        <none>",
        "Annotations:   <none>",
        "Finalizers:    [kubernetes.io/pvc-protection]",
        "Capacity:      1Gi",
        "Access Modes:  RWO",
        "VolumeMode:    Filesystem",
        "Used By:       web",
        "Events:        <none>",
    ]


def test_an_ephemeral_claim_is_used_by_its_pod():
    assert users_of({"metadata": {"name": "web-data"}}, [pod("web", ephemeral={})]) == ["web"]


def test_a_volume():
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1"]}]}
    item = {
        "metadata": {"name": "pvc-1", "labels": {"a": "b"}},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadOnlyMany", "ReadWriteOnce"],
            "claimRef": {"namespace": "default", "name": "data"},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "standard",
            "volumeMode": "Filesystem",
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            "local": {"path": "/volumes/pvc-1"},
        },
        "status": {"phase": "Bound"},
    }
    assert describe_volume(item, None).splitlines() == [
        "Name:            pvc-1",
        "Labels:          a=b",
        "Annotations:     <none>",
        "Finalizers:      []",
        "StorageClass:    standard",
        "Status:          Bound",
        "Claim:           default/data",
        "Reclaim Policy:  Delete",
        "Access Modes:    RWO,ROX",
        "VolumeMode:      Filesystem",
        "Capacity:        1Gi",
        "Node Affinity:",
        "  Required Terms:",
        "    Term 0:  kubernetes.io/hostname in [node1]",
        "Message:",
        "Source:",
        "    Type:  LocalVolume (a persistent volume backed by local storage on a node)",
        "    Path:  /volumes/pvc-1",
    ]


def test_a_class():
    item = {
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "pyrt.dev/local",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }
    assert describe_class(item, None).splitlines() == [
        "Name:                  standard",
        "IsDefaultClass:        Yes",
        "Annotations:           storageclass.kubernetes.io/is-default-class=true",
        "Provisioner:           pyrt.dev/local",
        "Parameters:            <none>",
        "AllowVolumeExpansion:  True",
        "MountOptions:          <none>",
        "ReclaimPolicy:         Delete",
        "VolumeBindingMode:     Immediate",
    ]
