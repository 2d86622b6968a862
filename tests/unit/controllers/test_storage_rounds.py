"""Claims and volumes, decided without a disk: rounds are played until nothing is left to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrt.controllers.storage.matching import find_volume
from pyrt.controllers.storage.model import (
    PROVISIONER,
    MakeClaim,
    PodUse,
    Provision,
    Reclaim,
    RemoveClaim,
    RemoveVolume,
    Snapshot,
    Tell,
)
from pyrt.controllers.storage.rounds import decide
from pyrt.kube import quantity
from pyrt.kube.meta import LabelSelector, ObjectMeta, ObjectReference
from pyrt.kube.resources import VolumeResourceRequirements
from pyrt.kube.storage import (
    IS_DEFAULT_CLASS,
    PV_PROTECTION,
    PVC_PROTECTION,
    LocalVolumeSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    StorageClass,
)
from pyrt.kube.volumes_remote import PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate

VOLUMES = Path("/volumes")


class World:
    """Objects, and what rounds make of them."""

    def __init__(self, *objects: PersistentVolume | PersistentVolumeClaim | StorageClass, pods: tuple = ()) -> None:
        self.volumes = {o.metadata.name: o for o in objects if isinstance(o, PersistentVolume)}
        self.claims = {o.metadata.name: o for o in objects if isinstance(o, PersistentVolumeClaim)}
        self.classes = [o for o in objects if isinstance(o, StorageClass)]
        self.pods = list(pods)
        self.told: list[tuple[str, str]] = []
        self.reclaimed: list[str] = []

    def round(self) -> bool:
        effects = decide(
            Snapshot(
                volumes=list(self.volumes.values()),
                claims=list(self.claims.values()),
                classes=self.classes,
                pods=self.pods,
                pod_uids=frozenset(pod.uid for pod in self.pods),
                node="node1",
                directory=VOLUMES,
                now="2026-01-01T00:00:00Z",
            )
        )
        changed = False
        for effect in effects:
            match effect:
                case Tell():
                    self.told.append((effect.reason, effect.message))
                    continue
                case Provision():
                    effect.volume.metadata.uid = "uid-of-" + effect.volume.metadata.name
                    self.volumes[effect.volume.metadata.name] = effect.volume
                case Reclaim():
                    self.reclaimed.append(effect.volume.metadata.name)
                    del self.volumes[effect.volume.metadata.name]
                case MakeClaim():
                    effect.claim.metadata.uid = f"uid-of-{effect.claim.metadata.name}"
                    self.claims[effect.claim.metadata.name] = effect.claim
                case RemoveVolume():
                    del self.volumes[effect.volume.metadata.name]
                case RemoveClaim():
                    del self.claims[effect.claim.metadata.name]
            changed = True
        return changed

    def settle(self) -> World:
        for _ in range(20):
            if not self.round():
                return self
        raise AssertionError("never comes to rest")

    @property
    def reasons(self) -> set[str]:
        return {reason for reason, _ in self.told}


def volume(name: str, size: str = "1Gi", *modes: str, cls: str = "", policy: str = "Retain", **labels: str):
    return PersistentVolume(
        metadata=ObjectMeta(name=name, uid=f"uid-{name}", labels=labels, finalizers=[PV_PROTECTION]),
        spec=PersistentVolumeSpec(
            capacity={"storage": size},
            access_modes=list(modes or ("ReadWriteOnce",)),
            local=LocalVolumeSource(path=f"/disk/{name}"),
            storage_class_name=cls,
            persistent_volume_reclaim_policy=policy,
        ),
        status=PersistentVolumeStatus(phase="Pending"),
    )


def claim(name: str, size: str = "1Gi", *modes: str, cls: str | None = "", **spec):
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", finalizers=[PVC_PROTECTION]),
        spec=PersistentVolumeClaimSpec(
            access_modes=list(modes or ("ReadWriteOnce",)),
            resources=VolumeResourceRequirements(requests={"storage": size}),
            storage_class_name=cls,
            **spec,
        ),
        status=PersistentVolumeClaimStatus(phase="Pending"),
    )


def storage_class(name: str = "standard", *, binding: str = "Immediate", default: bool = False, **fields):
    annotations = {IS_DEFAULT_CLASS: "true"} if default else {}
    fields = {"provisioner": PROVISIONER, "reclaim_policy": "Delete"} | fields
    return StorageClass(metadata=ObjectMeta(name=name, annotations=annotations), volume_binding_mode=binding, **fields)


def pod(name: str, *claims: str, over: bool = False) -> PodUse:
    return PodUse("default", name, f"uid-{name}", claims, over=over)


def delete(one: PersistentVolume | PersistentVolumeClaim) -> None:
    one.metadata.deletion_timestamp = "2026-01-01T00:00:00Z"


def test_both_sides_know_of_a_binding():
    world = World(volume("v"), claim("c")).settle()
    bound, owner = world.volumes["v"], world.claims["c"]
    assert (bound.status.phase, owner.status.phase, owner.spec.volume_name) == ("Bound", "Bound", "v")
    assert bound.spec.claim_ref is not None
    assert bound.spec.claim_ref.uid == "uid-c"
    assert owner.status.capacity == {"storage": "1Gi"}
    assert owner.metadata.annotations["pv.kubernetes.io/bind-completed"] == "yes"


def test_a_volume_without_a_claim_is_available():
    assert World(volume("v")).settle().volumes["v"].status.phase == "Available"


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (volume("v", "1Gi"), claim("c", "2Gi")),
        (volume("v", "1Gi", "ReadOnlyMany"), claim("c")),
        (volume("v", cls="fast"), claim("c")),
        (volume("v", tier="slow"), claim("c", selector=LabelSelector(match_labels={"tier": "fast"}))),
    ],
)
def test_what_does_not_suit_is_not_taken(offered, wanted):
    world = World(offered, wanted).settle()
    assert world.claims["c"].status.phase == "Pending"
    assert world.reasons == {"FailedBinding"}


def test_the_smallest_that_suits_is_taken():
    world = World(volume("large", "8Gi"), volume("small", "2Gi"), volume("tiny", "1Gi"), claim("c", "2Gi")).settle()
    assert world.claims["c"].spec.volume_name == "small"


def test_a_reserved_volume_waits_for_its_claim():
    kept = volume("kept", "9Gi")
    kept.spec.claim_ref = ObjectReference(namespace="default", name="later")
    world = World(kept, claim("other")).settle()
    assert (world.claims["other"].status.phase, kept.status.phase) == ("Pending", "Available")
    world.claims["later"] = claim("later")
    assert world.settle().claims["later"].spec.volume_name == "kept"


def test_a_claim_that_names_its_volume():
    world = World(volume("v", "1Gi"), claim("c", "2Gi", volume_name="v")).settle()
    assert world.told[0] == ("VolumeMismatch", 'Cannot bind to requested volume "v": requested PV is too small')
    world = World(volume("v"), volume("w"), claim("c", volume_name="w")).settle()
    assert world.volumes["w"].status.phase == "Bound"


def test_a_directory_is_provisioned_and_goes_with_its_claim():
    world = World(storage_class(default=True), claim("c", cls=None)).settle()
    made = world.volumes["pvc-uid-c"]
    assert world.claims["c"].spec.storage_class_name == "standard"
    assert (made.status.phase, made.spec.local.path) == ("Bound", "/volumes/pvc-uid-c")
    delete(world.claims["c"])
    world.settle()
    assert (world.claims, world.volumes, world.reclaimed) == ({}, {}, ["pvc-uid-c"])


def test_retain_keeps_it():
    world = World(storage_class(reclaim_policy="Retain"), claim("c", cls="standard")).settle()
    delete(world.claims["c"])
    world.settle()
    assert (world.volumes["pvc-uid-c"].status.phase, world.reclaimed) == ("Released", [])
    world.claims["d"] = claim("d", cls="standard", volume_name="pvc-uid-c")
    assert world.settle().claims["d"].status.phase == "Pending"


def test_nothing_is_deleted_that_was_not_provisioned_here():
    pretended = volume("etc", policy="Delete")
    pretended.metadata.annotations["pv.kubernetes.io/provisioned-by"] = PROVISIONER
    pretended.spec.local = LocalVolumeSource(path="/etc")
    world = World(pretended, claim("c")).settle()
    delete(world.claims["c"])
    world.settle()
    assert (world.reclaimed, world.volumes["etc"].status.phase) == ([], "Failed")
    assert "VolumeFailedDelete" in world.reasons


def test_a_claim_in_use_stays():
    world = World(volume("v"), claim("c"), pods=(pod("p", "c"),)).settle()
    delete(world.claims["c"])
    assert "c" in world.settle().claims
    world.pods[0] = dataclasses.replace(world.pods[0], over=True)
    assert "c" in world.settle().claims  # as long as there is a pod that names it
    world.pods.clear()
    assert world.settle().claims == {}


def test_a_bound_volume_stays():
    world = World(volume("v"), claim("c")).settle()
    delete(world.volumes["v"])
    assert "v" in world.settle().volumes
    delete(world.claims["c"])
    assert world.settle().volumes == {}


def test_a_claim_loses_its_volume():
    world = World(volume("v"), claim("c")).settle()
    world.volumes.clear()
    assert world.settle().claims["c"].status.phase == "Lost"
    assert "ClaimLost" in world.reasons


def test_the_first_consumer_is_waited_for():
    late = storage_class(binding="WaitForFirstConsumer")
    world = World(late, claim("c", cls="standard")).settle()
    assert (world.reasons, world.volumes) == ({"WaitForFirstConsumer"}, {})
    world.pods.append(pod("p", "c", over=True))
    assert world.settle().volumes == {}
    world.pods.append(pod("q", "c"))
    assert world.settle().claims["c"].status.phase == "Bound"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (storage_class("other"), 'storageclass.storage.k8s.io "standard" not found'),
        (storage_class(parameters={"a": "b"}), "takes no parameters"),
        (storage_class(provisioner="ebs.csi.aws.com"), "external provisioner 'ebs.csi.aws.com'"),
        (storage_class(provisioner="kubernetes.io/no-provisioner"), "no volume plugin matched"),
    ],
)
def test_what_cannot_be_provisioned_is_told(chosen, words):
    world = World(chosen, claim("c", cls="standard")).settle()
    assert words in world.told[0][1]
    assert world.claims["c"].status.phase == "Pending"


def test_a_claim_grows():
    world = World(storage_class(), claim("c", cls="standard")).settle()
    world.claims["c"].spec.resources.requests["storage"] = "5Gi"
    world.settle()
    assert world.claims["c"].status.capacity == world.volumes["pvc-uid-c"].spec.capacity == {"storage": "5Gi"}


def test_ephemeral_claims_come_and_go_with_their_pod():
    template = PersistentVolumeClaimTemplate(spec=claim("x", cls="standard").spec)
    user = dataclasses.replace(pod("p", "p-data"), templates=(("p-data", template),))
    world = World(storage_class(), pods=(user,)).settle()
    assert world.claims["p-data"].status.phase == "Bound"
    assert world.claims["p-data"].metadata.owner_references[0].uid == "uid-p"
    world.pods.clear()
    world.settle()
    assert (world.claims, world.volumes) == ({}, {})


# --- whatever there is ------------------------------------------------------------------------------------------------

sizes = st.sampled_from(["1Gi", "2Gi", "3Gi"])
mode_sets = st.lists(st.sampled_from(["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]), min_size=1, unique=True)
class_names = st.sampled_from(["", "fast"])


@st.composite
def worlds(draw):
    volumes = [
        volume(f"v{n}", draw(sizes), *draw(mode_sets), cls=draw(class_names)) for n in range(draw(st.integers(0, 6)))
    ]
    claims = [
        claim(f"c{n}", draw(sizes), *draw(mode_sets), cls=draw(class_names)) for n in range(draw(st.integers(0, 6)))
    ]
    return World(*volumes, *claims)


@settings(max_examples=200, deadline=None)
@given(worlds(), st.data())
def test_bindings_are_one_to_one_and_suit(world: World, data: st.DataObject):
    world.settle()
    taken = [one.spec.volume_name for one in world.claims.values() if one.status.phase == "Bound"]
    assert len(taken) == len(set(taken))
    for one in world.claims.values():
        if one.status.phase == "Bound":
            its = world.volumes[one.spec.volume_name]
            assert its.spec.claim_ref is not None
            assert its.spec.claim_ref.uid == one.metadata.uid
            assert its.status.phase == "Bound"
            assert set(one.spec.access_modes) <= set(its.spec.access_modes)
            asked = one.spec.resources.requests["storage"]
            assert quantity.value(its.spec.capacity["storage"]) >= quantity.value(asked)
            assert its.spec.storage_class_name == one.spec.storage_class_name
        else:
            assert find_volume(one, world.volumes.values()) is None  # nobody waits beside what suits
    before = {"taken": taken}
    for one in data.draw(
        st.lists(st.sampled_from(list(world.claims.values())), unique_by=id) if world.claims else st.just([])
    ):
        delete(one)
    world.settle()
    assert all(not one.metadata.deletion_timestamp for one in world.claims.values())
    for one in world.volumes.values():
        ref = one.spec.claim_ref
        if one.status.phase == "Released":
            assert ref is not None
            assert ref.name not in world.claims
        if one.metadata.name not in before["taken"]:
            assert one.status.phase in ("Available", "Bound")
