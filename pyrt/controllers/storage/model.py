"""The vocabulary: what there is, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from pyrt.kube.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from pyrt.kube.volumes_remote import PersistentVolumeClaimTemplate

PROVISIONER: Final = "pyrt.dev/local"
"""What storage classes name to get directories of this machine."""
RECLAIM_FINALIZER: Final = "pyrt.dev/reclaim"
"""Keeps the object of a volume until its directory has been dealt with as the reclaim policy says."""

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
STORAGE_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"


@dataclass(frozen=True, slots=True)
class PodUse:
    """What a pod has to do with claims; only of pods that have."""

    namespace: str
    name: str
    uid: str
    claims: tuple[str, ...]
    """Names, those of its ephemeral volumes too."""
    templates: tuple[tuple[str, PersistentVolumeClaimTemplate], ...] = ()
    """Claim name and template of each ephemeral volume."""
    over: bool = False
    """It has ended, or its object is gone while its containers may still be there."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is looked at. The objects are this snapshot's own: nobody else changes them."""

    volumes: Sequence[PersistentVolume]
    claims: Sequence[PersistentVolumeClaim]
    classes: Sequence[StorageClass]
    pods: Sequence[PodUse]
    pod_uids: frozenset[str]
    """Of all pods that there are."""
    node: str
    directory: Path
    """``<root>/volumes``: each provisioned volume is a directory of its name in here."""
    now: str
    """RFC 3339."""


@dataclass(frozen=True, slots=True)
class WriteVolume:
    """Store a changed volume."""

    volume: PersistentVolume


@dataclass(frozen=True, slots=True)
class WriteClaim:
    """Store a changed claim."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class MakeClaim:
    """Store a new claim, of a pod's ephemeral volume."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class RemoveVolume:
    """Remove the object of a volume."""

    volume: PersistentVolume


@dataclass(frozen=True, slots=True)
class RemoveClaim:
    """Remove the object of a claim."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class Provision:
    """Make the directory of a volume, then store the volume."""

    volume: PersistentVolume
    claim: PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Do away with the directory of a volume, then let the object go."""

    volume: PersistentVolume


@dataclass(frozen=True, slots=True)
class Tell:
    """An event: what is the case with an object. Told once for as long as it is."""

    about: PersistentVolume | PersistentVolumeClaim
    warning: bool
    reason: str
    message: str


Effect: TypeAlias = WriteVolume | WriteClaim | MakeClaim | RemoveVolume | RemoveClaim | Provision | Reclaim | Tell


def is_ours(volume: PersistentVolume, directory: Path) -> bool:
    """Whether a volume is a directory that was provisioned here. Its path is compared, not believed: anyone may write
    annotations.
    """
    local = volume.spec.local
    return (
        volume.metadata.annotations.get(PROVISIONED_BY) == PROVISIONER
        and local is not None
        and local.path == str(directory / volume.metadata.name)
    )
