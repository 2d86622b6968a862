"""What to do next about claims and volumes: one pure function of what there is.

The rules are the controller manager's (``pv_controller.go``: syncClaim and syncVolume; the controllers of PVC
protection, PV protection and ephemeral volumes). Binding is written down on both sides: the volume's
``claimRef`` has the claim's uid, the claim's ``volumeName`` the volume; the two are changed in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyrt.controllers.storage.matching import find_volume, is_reserved_for, mismatch
from pyrt.controllers.storage.model import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    PROVISIONER,
    RECLAIM_FINALIZER,
    STORAGE_PROVISIONER,
    Effect,
    MakeClaim,
    PodUse,
    Provision,
    Reclaim,
    RemoveClaim,
    RemoveVolume,
    Snapshot,
    Tell,
    WriteClaim,
    WriteVolume,
    is_ours,
)
from pyrt.controllers.storage.provisioning import claim_of_template, provisioned_volume, unprovisionable
from pyrt.kube import quantity
from pyrt.kube.meta import ObjectReference
from pyrt.kube.storage import (
    NO_PROVISIONER,
    PV_PROTECTION,
    PVC_PROTECTION,
    STORAGE,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    StorageClass,
    is_default,
    size,
)


def decide(snapshot: Snapshot) -> Sequence[Effect]:
    """Everything that can be done now. What follows from it is seen in the next snapshot."""
    return _Round(snapshot).decide()


def default_class(classes: Sequence[StorageClass]) -> StorageClass | None:
    """The class of claims that name none: of several defaults the newest, as admission has it."""
    defaults = [one for one in classes if is_default(one)]
    defaults.sort(key=lambda one: one.metadata.name)
    return max(defaults, key=lambda one: one.metadata.creation_timestamp or "", default=None)


class _Round:
    """One look at everything. The snapshot's objects are changed in place, so that a later decision knows the earlier
    ones, and each that was changed is written once.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._all = snapshot
        self._volumes = {volume.metadata.name: volume for volume in snapshot.volumes}
        self._claims = {(claim.metadata.namespace, claim.metadata.name): claim for claim in snapshot.claims}
        self._classes = {one.metadata.name: one for one in snapshot.classes}
        self._default = default_class(snapshot.classes)
        self._users: dict[tuple[str, str], list[PodUse]] = {}
        for pod in snapshot.pods:
            for name in pod.claims:
                self._users.setdefault((pod.namespace, name), []).append(pod)
        self._effects: list[Effect] = []
        self._changed: dict[tuple[str, str, str], PersistentVolume | PersistentVolumeClaim] = {}

    def decide(self) -> Sequence[Effect]:
        for pod in self._all.pods:
            self._make_ephemeral(pod)
        for claim in list(self._claims.values()):
            self._claim(claim)
        for volume in self._volumes.values():
            self._volume(volume)
        writes: list[Effect] = [
            WriteVolume(one) if isinstance(one, PersistentVolume) else WriteClaim(one) for one in self._changed.values()
        ]
        return [*writes, *self._effects]

    def _change(self, one: PersistentVolume | PersistentVolumeClaim) -> None:
        self._changed[one.kind, one.metadata.namespace, one.metadata.name] = one

    def _drop(self, one: PersistentVolume | PersistentVolumeClaim, effect: Effect) -> None:
        """The object goes: there is nothing to write any more."""
        self._changed.pop((one.kind, one.metadata.namespace, one.metadata.name), None)
        self._effects.append(effect)

    def _tell(
        self, about: PersistentVolume | PersistentVolumeClaim, reason: str, message: str, *, warning: bool = False
    ) -> None:
        self._effects.append(Tell(about, warning, reason, message))

    # --- claims -------------------------------------------------------------------------------------------------------

    def _make_ephemeral(self, pod: PodUse) -> None:
        if pod.over:
            return
        for name, template in pod.templates:
            if (pod.namespace, name) not in self._claims:
                claim = claim_of_template(pod, name, template, self._default)
                self._effects.append(MakeClaim(claim))

    def _claim(self, claim: PersistentVolumeClaim) -> None:
        meta = claim.metadata
        if meta.deletion_timestamp is None and self._is_orphan(claim):
            meta.deletion_timestamp, meta.deletion_grace_period_seconds = self._all.now, 0
            self._change(claim)
        if meta.deletion_timestamp is not None:
            self._leave(claim)
            return
        if claim.spec.storage_class_name is None and self._default is not None:
            claim.spec.storage_class_name = self._default.metadata.name
            self._change(claim)
        if BIND_COMPLETED in meta.annotations:
            self._bound(claim)
        else:
            self._unbound(claim)

    def _is_orphan(self, claim: PersistentVolumeClaim) -> bool:
        """Whether the pod for which the claim was made is gone."""
        return any(
            owner.controller
            and (owner.api_version, owner.kind) == ("v1", "Pod")
            and owner.uid not in self._all.pod_uids
            for owner in claim.metadata.owner_references
        )

    def _leave(self, claim: PersistentVolumeClaim) -> None:
        """A deleted claim stays as long as a pod uses it."""
        meta = claim.metadata
        if PVC_PROTECTION in meta.finalizers and not self._users.get((meta.namespace, meta.name)):
            meta.finalizers.remove(PVC_PROTECTION)
            self._change(claim)
        if not meta.finalizers:
            self._drop(claim, RemoveClaim(claim))
            del self._claims[meta.namespace, meta.name]

    def _bound(self, claim: PersistentVolumeClaim) -> None:
        name = claim.spec.volume_name
        volume = self._volumes.get(name)
        if not name:
            self._lose(
                claim, "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
            )
        elif volume is None:
            self._lose(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
        elif volume.spec.claim_ref is None or is_reserved_for(volume, claim):
            self._bind(claim, volume)
            self._resize(claim, volume)
        else:
            self._lose(claim, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")

    def _lose(self, claim: PersistentVolumeClaim, reason: str, message: str) -> None:
        if claim.status.phase != "Lost":
            claim.status = PersistentVolumeClaimStatus(phase="Lost")
            self._change(claim)
        self._tell(claim, reason, message, warning=True)

    def _unbound(self, claim: PersistentVolumeClaim) -> None:
        if claim.spec.volume_name:
            self._wanted(claim)
            return
        waits = self._waits(claim)
        volume = find_volume(claim, self._volumes.values(), only_reserved=waits)
        if volume is not None:
            self._bind(claim, volume)
            return
        if waits:
            self._tell(claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
        elif claim.spec.storage_class_name:
            self._provision(claim, claim.spec.storage_class_name)
        else:
            text = "no persistent volumes available for this claim and no storage class is set"
            self._tell(claim, "FailedBinding", text)
        self._pending(claim)

    def _waits(self, claim: PersistentVolumeClaim) -> bool:
        """Whether the claim's class binds only when there is a pod, and there is none."""
        chosen = self._classes.get(claim.spec.storage_class_name or "")
        if chosen is None or chosen.volume_binding_mode != "WaitForFirstConsumer":
            return False
        users = self._users.get((claim.metadata.namespace, claim.metadata.name), ())
        return all(pod.over for pod in users)

    def _wanted(self, claim: PersistentVolumeClaim) -> None:
        """The claim names its volume."""
        name = claim.spec.volume_name
        volume = self._volumes.get(name)
        if volume is not None and (volume.spec.claim_ref is None or is_reserved_for(volume, claim)):
            problem = mismatch(volume, claim) if volume.spec.claim_ref is None else None
            if problem is None and volume.metadata.deletion_timestamp is None:
                self._bind(claim, volume)
                return
            if problem is not None:
                self._tell(
                    claim, "VolumeMismatch", f'Cannot bind to requested volume "{name}": {problem}', warning=True
                )
        elif volume is not None:
            self._tell(claim, "FailedBinding", f'volume "{name}" already bound to a different claim.', warning=True)
        self._pending(claim)

    def _pending(self, claim: PersistentVolumeClaim) -> None:
        if claim.status.phase != "Pending":
            claim.status = PersistentVolumeClaimStatus(phase="Pending")
            self._change(claim)

    def _bind(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        """Write the binding down on both sides, where it is not yet."""
        meta, spec = claim.metadata, volume.spec
        if spec.claim_ref is None or spec.claim_ref.uid != meta.uid:
            if spec.claim_ref is None:
                volume.metadata.annotations[BOUND_BY_CONTROLLER] = "yes"
            spec.claim_ref = ObjectReference(
                api_version="v1",
                kind="PersistentVolumeClaim",
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                resource_version=meta.resource_version,
            )
            self._change(volume)
        if not claim.spec.volume_name:
            claim.spec.volume_name = volume.metadata.name
            meta.annotations[BOUND_BY_CONTROLLER] = "yes"
            self._change(claim)
        if BIND_COMPLETED not in meta.annotations:
            meta.annotations[BIND_COMPLETED] = "yes"
            self._change(claim)
        status = claim.status
        if status.phase != "Bound" or status.access_modes != spec.access_modes:
            status.phase, status.access_modes = "Bound", list(spec.access_modes)
            status.capacity = {STORAGE: size(spec.capacity)}
            self._change(claim)

    def _resize(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        """A directory grows by being said to."""
        wanted = size(claim.spec.resources.requests)
        if quantity.value(wanted) > quantity.value(size(volume.spec.capacity)) and is_ours(volume, self._all.directory):
            volume.spec.capacity[STORAGE] = wanted
            self._change(volume)
        reached = size(volume.spec.capacity)
        if claim.status.capacity.get(STORAGE) != reached:
            claim.status.capacity[STORAGE] = reached
            self._change(claim)
            self._tell(claim, "VolumeResizeSuccessful", "Resize volume succeeded")

    def _provision(self, claim: PersistentVolumeClaim, name: str) -> None:
        chosen = self._classes.get(name)
        if chosen is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            self._tell(claim, "ProvisioningFailed", text, warning=True)
            return
        if chosen.provisioner == NO_PROVISIONER:
            text = "no volume plugin matched name: kubernetes.io/no-provisioner"
            self._tell(claim, "ProvisioningFailed", text, warning=True)
            return
        if claim.metadata.annotations.get(STORAGE_PROVISIONER) != chosen.provisioner:
            claim.metadata.annotations[STORAGE_PROVISIONER] = chosen.provisioner
            self._change(claim)
        if chosen.provisioner != PROVISIONER:
            self._tell(
                claim,
                "ExternalProvisioning",
                f"Waiting for a volume to be created either by the external provisioner '{chosen.provisioner}' or "
                "manually by the system administrator. If volume creation is delayed, please verify that the "
                "provisioner is running and correctly registered.",
            )
            return
        problem = unprovisionable(claim, chosen)
        if problem is not None:
            text = f'failed to provision volume with StorageClass "{name}": {problem}'
            self._tell(claim, "ProvisioningFailed", text, warning=True)
            return
        self._effects.append(Provision(provisioned_volume(claim, chosen, self._all), claim))

    # --- volumes ------------------------------------------------------------------------------------------------------

    def _volume(self, volume: PersistentVolume) -> None:
        leaving = self._phase(volume)
        meta = volume.metadata
        if leaving and volume.spec.persistent_volume_reclaim_policy == "Delete":
            self._delete(volume)
            return
        if meta.deletion_timestamp is None or volume.status.phase == "Bound":
            return
        if RECLAIM_FINALIZER in meta.finalizers and volume.spec.persistent_volume_reclaim_policy == "Delete":
            self._delete(volume)
            return
        kept = [one for one in meta.finalizers if one not in (PV_PROTECTION, RECLAIM_FINALIZER)]
        if kept != meta.finalizers:
            meta.finalizers = kept
            self._change(volume)
        if not kept:
            self._drop(volume, RemoveVolume(volume))

    def _phase(self, volume: PersistentVolume) -> bool:
        """Bring the phase up to date; whether the volume's claim has left it."""
        ref = volume.spec.claim_ref
        if ref is None or not ref.uid:
            self._set_phase(volume, "Available")
            return False
        claim = self._claims.get((ref.namespace, ref.name))
        if claim is None or claim.metadata.uid != ref.uid:
            if volume.status.phase != "Failed":
                self._set_phase(volume, "Released")
            return True
        if claim.spec.volume_name == volume.metadata.name:
            self._set_phase(volume, "Bound")
            return False
        if not claim.spec.volume_name:
            return False  # the claim's turn comes
        # The claim has taken another volume meanwhile.
        if is_ours(volume, self._all.directory) and volume.spec.persistent_volume_reclaim_policy == "Delete":
            self._set_phase(volume, "Released")
            return True
        if volume.metadata.annotations.pop(BOUND_BY_CONTROLLER, None) is not None:
            volume.spec.claim_ref = None
        else:
            ref.uid = ref.resource_version = ""
        self._set_phase(volume, "Available")
        self._change(volume)
        return False

    def _set_phase(self, volume: PersistentVolume, phase: str) -> None:
        if volume.status.phase != phase:
            volume.status.phase, volume.status.message = phase, ""
            volume.status.last_phase_transition_time = self._all.now
            self._change(volume)

    def _delete(self, volume: PersistentVolume) -> None:
        """The reclaim policy is Delete."""
        if is_ours(volume, self._all.directory):
            if volume.status.phase != "Failed" or volume.metadata.deletion_timestamp is not None:
                self._effects.append(Reclaim(volume))
            return
        text = "error getting deleter volume plugin for volume: only volumes that pyrt has provisioned are deleted"
        if volume.status.phase != "Failed":
            self._set_phase(volume, "Failed")
            volume.status.message = text
        self._tell(volume, "VolumeFailedDelete", text, warning=True)
        if volume.metadata.deletion_timestamp is not None:
            volume.metadata.finalizers = [one for one in volume.metadata.finalizers if one != PV_PROTECTION]
            self._change(volume)
            if not volume.metadata.finalizers:
                self._drop(volume, RemoveVolume(volume))
