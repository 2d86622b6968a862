"""Which volume a claim gets (``pkg/controller/volume/persistentvolume``, index.go and pv_controller.go). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pyrt.kube import quantity
from pyrt.kube.storage import PersistentVolume, PersistentVolumeClaim, selects, size, volume_mode


def is_reserved_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume names this claim: by its uid, or before it existed by its name."""
    ref, meta = volume.spec.claim_ref, claim.metadata
    if ref is None or (ref.namespace, ref.name) != (meta.namespace, meta.name):
        return False
    return ref.uid in ("", meta.uid)


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str | None:
    """Why a volume that a claim asks for by name does not suit, in the controller manager's words."""
    if quantity.value(size(volume.spec.capacity)) < quantity.value(size(claim.spec.resources.requests)):
        return "requested PV is too small"
    if volume.spec.storage_class_name != (claim.spec.storage_class_name or ""):
        return "storageClassName does not match"
    if volume_mode(volume.spec) != volume_mode(claim.spec):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return None


def find_volume(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume], *, only_reserved: bool = False
) -> PersistentVolume | None:
    """The best volume for a claim that names none.

    One reserved for it goes first, if it is large enough. Of the free ones that suit: the one with the fewest access
    modes, then the smallest, then by name. ``only_reserved`` leaves the free ones out.
    """
    fitting = [v for v in volumes if v.metadata.deletion_timestamp is None and _large_enough(v, claim)]
    fitting.sort(key=_preference)
    for volume in fitting:
        if is_reserved_for(volume, claim) and volume_mode(volume.spec) == volume_mode(claim.spec):
            return volume
    if only_reserved:
        return None
    for volume in fitting:
        free = volume.spec.claim_ref is None and volume.status.phase in ("", "Pending", "Available")
        if free and mismatch(volume, claim) is None and selects(claim.spec.selector, volume.metadata.labels):
            return volume
    return None


def _large_enough(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return quantity.value(size(volume.spec.capacity)) >= quantity.value(size(claim.spec.resources.requests))


def _preference(volume: PersistentVolume) -> tuple[int, object, str]:
    modes = len(set(volume.spec.access_modes))
    return modes, quantity.value(size(volume.spec.capacity)), volume.metadata.name
