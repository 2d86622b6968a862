"""Claims and volumes: from a claim to a directory that outlives pods, and back to nothing."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from tests.integration.daemon.conftest import ApiFailure

from .conftest import FOREVER, container

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
MOUNT = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}


def claim(name, **spec):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec,
    }


def volume(name, **spec):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}, "storageClassName": "mine"} | spec,
    }


def of(claim_name, **more):
    return [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name, **more}}]


@pytest.fixture
def storage(daemon):
    """The shared daemon; claims, volumes and classes of the test are gone at its end, and so are their directories."""
    yield daemon
    for pod in daemon.call("GET", "/api/v1/namespaces/default/pods")["items"]:
        daemon.delete(pod["metadata"]["name"], 0)
    for target in (CLAIMS, VOLUMES):
        for item in daemon.call("GET", target)["items"]:
            with contextlib.suppress(ApiFailure):  # the controller may be quicker
                daemon.call("DELETE", f"{target}/{item['metadata']['name']}")
        daemon.until(lambda: not daemon.call("GET", target)["items"])  # noqa: B023 - called at once
    daemon.until(lambda: directories(daemon) == [])


def directories(daemon):
    root = daemon.config.paths.root / "volumes"
    return sorted(entry for entry in os.listdir(root) if entry != ".trash") if root.exists() else []


def found(daemon, name):
    return daemon.call("GET", f"{CLAIMS}/{name}")


def bound(daemon, name):
    return daemon.until(lambda: (c := found(daemon, name))["status"]["phase"] == "Bound" and c)


def claim_event(daemon, name, reason):
    uid = found(daemon, name)["metadata"]["uid"]
    target = f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid={uid},reason={reason}"
    return daemon.until(lambda: daemon.call("GET", target)["items"])[0]


@pytest.mark.core
def test_data_outlives_its_pod(storage, name, pod):
    storage.apply(claim("data"), pod("echo kept > /data/file", container=MOUNT, volumes=of("data")))
    storage.phase(name, "Succeeded")
    storage.delete(name, 0)
    storage.gone(name)
    storage.apply(pod("cat /data/file", container=MOUNT, volumes=of("data")))
    storage.phase(name, "Succeeded")
    assert storage.logs(name) == "kept\n"
    row = storage.row("data", "pvc")
    volume_name = found(storage, "data")["spec"]["volumeName"]
    assert row[:6] == ["data", "Bound", volume_name, "1Gi", "RWO", "standard"]
    assert storage.row(volume_name, "pv")[:7] == [
        volume_name, "1Gi", "RWO", "Delete", "Bound", "default/data", "standard",
    ]  # fmt: skip
    assert storage.row("standard", "sc")[:6] == [
        "standard",
        "(default)",
        "pyrt.dev/local",
        "Delete",
        "Immediate",
        "true",
    ]
    event = claim_event(storage, "data", "ProvisioningSucceeded")
    assert event["message"] == f"Successfully provisioned volume {volume_name}"
    assert directories(storage) == [volume_name]


def test_a_claim_in_use_goes_after_its_pod(storage, name, pod):
    storage.apply(claim("data"), pod(container=MOUNT, volumes=of("data")))
    storage.running(name)
    assert storage.pyrt("delete", "pvc", "data", "--wait=false").code == 0
    assert storage.row("data", "pvc")[1] == "Terminating"
    assert storage.exec(name, "touch", "/data/still-there")[0] == 0
    storage.delete(name, 0)
    storage.until(lambda: not storage.call("GET", CLAIMS)["items"])
    storage.until(lambda: directories(storage) == [])


def test_a_pod_waits_for_its_claim(storage, name, pod):
    storage.apply(pod("echo here", container=MOUNT, volumes=of("late")))
    event = storage.told(name, "FailedMount", 'persistentvolumeclaims "late" not found')
    assert event["message"] == (
        'MountVolume.SetUp failed for volume "data" : error processing PVC default/late: failed to fetch PVC from API '
        'server: persistentvolumeclaims "late" not found'
    )
    state = container(storage.get(name), "app")["state"]
    assert state["waiting"]["reason"] == "ContainerCreating"
    storage.apply(claim("late", storageClassName="mine"))
    storage.told(name, "FailedMount", "error processing PVC default/late: PVC is not bound")
    path = storage.config.paths.root / "by-hand"
    path.mkdir()
    storage.apply(volume("by-hand", hostPath={"path": str(path)}))
    storage.phase(name, "Succeeded")


def test_volumes_of_the_users(storage, name, pod):
    root = storage.config.paths.root
    here = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]}
    path = root / "local-disk"
    path.mkdir()
    storage.apply(
        volume("local-disk", local={"path": str(path)}, nodeAffinity={"required": here}),
        claim("data", storageClassName="mine"),
        pod("echo mine > /data/file", container=MOUNT, volumes=of("data")),
    )
    storage.phase(name, "Succeeded")
    assert (path / "file").read_text() == "mine\n"
    assert found(storage, "data")["status"]["capacity"] == {"storage": "2Gi"}
    storage.delete(name, 0)
    storage.pyrt("delete", "pvc", "data")
    storage.until(lambda: storage.row("local-disk", "pv")[4] == "Released")
    assert (path / "file").exists()


def test_a_local_volume_that_is_not_there(storage, name, pod):
    here = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]}
    storage.apply(
        volume("nowhere", local={"path": "/nowhere/at/all"}, nodeAffinity={"required": here}),
        claim("data", storageClassName="mine"),
        pod(container=MOUNT, volumes=of("data")),
    )
    assert "/nowhere/at/all is not a directory" in storage.told(name, "FailedMount", "hostPath type")["message"]


def test_a_read_only_claim(storage, name, pod):
    storage.apply(claim("data"), pod("touch /data/x", container=MOUNT, volumes=of("data", readOnly=True)))
    storage.phase(name, "Failed")
    assert "Read-only file system" in storage.logs(name)


def test_one_pod_alone(storage, name, pod):
    storage.apply(claim("data", accessModes=["ReadWriteOncePod"]), pod(container=MOUNT, volumes=of("data")))
    storage.running(name)
    second = pod("true", container=MOUNT, volumes=of("data"))
    second["metadata"]["name"] = other = f"{name}-2"
    storage.apply(second)
    event = storage.told(other, "FailedMount", "ReadWriteOncePod")
    assert "is already in use by another pod" in event["message"]
    storage.delete(name, 0)
    storage.phase(other, "Succeeded")


def test_the_first_consumer_decides(storage, name, pod):
    late = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "late"},
        "provisioner": "pyrt.dev/local",
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    storage.apply(late, claim("data", storageClassName="late"))
    event = claim_event(storage, "data", "WaitForFirstConsumer")
    assert event["message"] == "waiting for first consumer to be created before binding"
    assert directories(storage) == []
    storage.apply(pod("echo x > /data/x", container=MOUNT, volumes=of("data")))
    storage.phase(name, "Succeeded")
    volume_name = found(storage, "data")["spec"]["volumeName"]
    storage.delete(name, 0)
    storage.pyrt("delete", "pvc", "data")
    storage.until(lambda: storage.row(volume_name, "pv")[4] == "Released")
    kept = storage.config.paths.root / "volumes" / volume_name / "x"
    assert kept.read_text() == "x\n"
    storage.pyrt("delete", "pv", volume_name)
    storage.pyrt("delete", "sc", "late")
    assert kept.exists()
    kept.unlink()
    kept.parent.rmdir()


@pytest.mark.core
def test_an_ephemeral_volume(storage, name, pod):
    template = {"spec": claim("x")["spec"], "metadata": {"labels": {"kind": "scratch"}}}
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]
    storage.apply(pod(container=MOUNT, volumes=volumes))
    made = storage.running(name)
    owned = found(storage, f"{name}-data")
    assert owned["metadata"]["labels"] == {"kind": "scratch"}
    assert owned["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert storage.exec(name, "touch", "/data/x")[0] == 0
    storage.delete(name, 0)
    storage.until(lambda: not storage.call("GET", CLAIMS)["items"])


def test_an_ephemeral_volume_takes_nobody_elses_claim(storage, name, pod):
    storage.apply(claim(f"{name}-data"))
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": claim("x")["spec"]}}}]
    storage.apply(pod(container=MOUNT, volumes=volumes))
    assert "(pod is not owner)" in storage.told(name, "FailedMount", "was not created for pod")["message"]


def test_everything_survives_the_daemon(own_daemon, name, pod):
    daemon = own_daemon
    daemon.apply(claim("data"), pod(f"echo before > /data/file; {FOREVER}", container=MOUNT, volumes=of("data")))
    daemon.running(name)
    daemon.apply(claim("more", storageClassName="missing"))
    daemon.pyrt("delete", "pvc", "data", "--wait=false")
    daemon.kill()
    daemon.start()
    assert daemon.running(name)
    assert daemon.exec(name, "cat", "/data/file")[1] == "before\n"
    assert daemon.row("data", "pvc")[1] == "Terminating"
    daemon.delete(name, 0)
    daemon.until(lambda: [c["metadata"]["name"] for c in daemon.call("GET", CLAIMS)["items"]] == ["more"])
    daemon.until(lambda: directories(daemon) == [])


def test_a_hostile_directory_is_removed_and_nothing_else(storage, name, pod):
    """A claim's content is the container's: links lead the removal nowhere."""
    outside = storage.config.paths.root / "outside-of-claims"
    outside.mkdir(exist_ok=True)
    (outside / "kept").touch()
    script = f"ln -s {outside} /data/link; mkdir -p /data/a/b; ln -s ../../../.. /data/a/b/up; chmod 0 /data/a"
    storage.apply(claim("data"), pod(script, container=MOUNT, volumes=of("data")))
    storage.phase(name, "Succeeded")
    storage.delete(name, 0)
    storage.pyrt("delete", "pvc", "data")
    storage.until(lambda: directories(storage) == [] and not os.listdir(trash(storage)))
    assert (outside / "kept").exists()


def trash(daemon) -> Path:
    return daemon.config.paths.root / "volumes/.trash"
