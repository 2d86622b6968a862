"""What the API server fills in when a volume, a claim or a storage class is created (``core/v1`` and ``storage/v1``
defaults), in place. Idempotent.
"""

from __future__ import annotations

from pyrt.kube import quantity
from pyrt.kube.base import ResourceList
from pyrt.kube.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from pyrt.kube.volumes_remote import PersistentVolumeClaimSpec


def set_volume_defaults(volume: PersistentVolume) -> None:
    """Fill in the defaults of a PersistentVolume."""
    spec = volume.spec
    spec.persistent_volume_reclaim_policy = spec.persistent_volume_reclaim_policy or "Retain"
    spec.volume_mode = spec.volume_mode or "Filesystem"
    if spec.host_path is not None and spec.host_path.type is None:
        spec.host_path.type = ""
    _canonical(spec.capacity)


def set_claim_defaults(claim: PersistentVolumeClaim) -> None:
    """Fill in the defaults of a PersistentVolumeClaim."""
    set_claim_spec_defaults(claim.spec)


def set_claim_spec_defaults(spec: PersistentVolumeClaimSpec) -> None:
    """Fill in what a claim template has too."""
    spec.volume_mode = spec.volume_mode or "Filesystem"
    _canonical(spec.resources.requests)
    _canonical(spec.resources.limits)


def set_class_defaults(storage_class: StorageClass) -> None:
    """Fill in the defaults of a StorageClass."""
    storage_class.reclaim_policy = storage_class.reclaim_policy or "Delete"
    storage_class.volume_binding_mode = storage_class.volume_binding_mode or "Immediate"


def _canonical(resources: ResourceList) -> None:
    for name, text in resources.items():
        if quantity.is_valid(text):
            resources[name] = quantity.canonical(text)
