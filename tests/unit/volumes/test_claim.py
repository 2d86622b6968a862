"""Volumes that are claims: found when bound, waited for otherwise, in the kubelet's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrt.kube.meta import ObjectMeta, ObjectReference, OwnerReference
from pyrt.kube.pod import Pod
from pyrt.kube.storage import (
    LocalVolumeSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
)
from pyrt.kube.volumes import HostPathVolumeSource, PersistentVolumeClaimVolumeSource, Volume
from pyrt.kube.volumes_remote import EphemeralVolumeSource, PersistentVolumeClaimSpec
from pyrt.volumes import VolumeContext, VolumeError, plan, prepare
from pyrt.volumes.references import NoReferences

NAMED = Volume(name="data", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="c"))


class Objects(NoReferences):
    """One claim and one volume, as a test has them."""

    def __init__(self, claim=None, volume=None, holder=None):
        self._claim, self._volume, self._holder = claim, volume, holder

    def claim(self, namespace, name):
        return self._claim if self._claim is not None and self._claim.metadata.name == name else None

    def volume(self, name):
        return self._volume

    def hold_alone(self, claim_uid, pod_uid):
        return self._holder


def claim(name="c", phase="Bound", *modes, **meta):
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name=name, namespace="default", uid="uid-c", **meta),
        spec=PersistentVolumeClaimSpec(volume_name="v", access_modes=list(modes or ("ReadWriteOnce",))),
        status=PersistentVolumeClaimStatus(phase=phase),
    )


def volume(uid="uid-c", **source):
    return PersistentVolume(
        metadata=ObjectMeta(name="v"),
        spec=PersistentVolumeSpec(
            claim_ref=ObjectReference(namespace="default", name="c", uid=uid),
            **(source or {"local": LocalVolumeSource(path="/disk/v")}),
        ),
    )


def context(objects):
    pod = Pod(metadata=ObjectMeta(name="web", namespace="default", uid="uid-p"))
    return VolumeContext("uid-p", Path("/pods/uid-p/volumes"), pod, objects)


def test_a_local_volume_takes_the_group():
    found = prepare(NAMED, context(Objects(claim(), volume())))
    assert (found.path, found.must_be, found.takes_group, found.read_only) == (
        Path("/disk/v"), "Directory", True, False,
    )  # fmt: skip


def test_a_host_path_does_not():
    host = HostPathVolumeSource(path="/srv", type="")
    found = prepare(NAMED, context(Objects(claim(), volume(host_path=host))))
    assert (found.path, found.must_be, found.takes_group) == (Path("/srv"), "", False)


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        (Objects(), 'failed to fetch PVC from API server: persistentvolumeclaims "c" not found'),
        (Objects(claim(phase="Pending")), "PVC is not bound"),
        (Objects(claim(deletion_timestamp="2026-01-01T00:00:00Z"), volume()), "PVC is being deleted"),
        (Objects(claim()), 'failed to fetch PV v from API server: persistentvolumes "v" not found'),
        (Objects(claim(), volume(uid="other")), "pv.Spec.ClaimRef.UID other does not point to claim.UID uid-c"),
    ],
)
def test_what_is_waited_for(objects, words):
    with pytest.raises(VolumeError) as raised:
        prepare(NAMED, context(objects))
    assert raised.value.volume == "data"
    assert raised.value.detail.startswith("error processing PVC default/c: ")
    assert words in raised.value.detail


def test_one_pod_alone():
    objects = Objects(claim("c", "Bound", "ReadWriteOncePod"), volume(), holder="default/first")
    with pytest.raises(VolumeError, match=r"already in use by another pod \(default/first\)"):
        prepare(NAMED, context(objects))


def test_an_ephemeral_claim_must_be_the_pods():
    own = Volume(name="data", ephemeral=EphemeralVolumeSource())
    foreign = claim("web-data")
    with pytest.raises(VolumeError, match="pod is not owner"):
        prepare(own, context(Objects(foreign, volume())))
    foreign.metadata.owner_references = [OwnerReference(kind="Pod", name="web", uid="uid-p", controller=True)]
    assert prepare(own, context(Objects(foreign, volume()))).path == Path("/disk/v")


def test_a_plan_needs_no_claim():
    assert plan(NAMED, context(NoReferences())).path == Path("/<volume of claim c>")
