"""PersistentVolumes: stored here, looked after by the storage controller."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pyrt.api.decoding import decode_body, expect_v1, refuse
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import ALL_VERBS, Resource, Strategy, WriteContext
from pyrt.api.table import AGE, NAME, Column
from pyrt.kube.storage import PV_PROTECTION, PersistentVolume, PersistentVolumeStatus, size
from pyrt.kube.storage_defaults import set_volume_defaults
from pyrt.kube.validation.storage import refused_volume_fields, validate_volume, validate_volume_update
from pyrt.store import StoredObject

KIND: Final = "PersistentVolume"
_decoder: Final = msgspec.json.Decoder(PersistentVolume)
_SHORT_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}

COLUMNS: Final = (
    NAME,
    Column("Capacity"),
    Column("Access Modes"),
    Column("Reclaim Policy", description="What becomes of it when its claim is deleted."),
    Column("Status"),
    Column("Claim", description="Whose it is."),
    Column("StorageClass"),
    Column("VolumeAttributesClass"),
    Column("Reason"),
    AGE,
    Column("VolumeMode", priority=1),
)


def modes_text(modes: list[str]) -> str:
    """``RWO,ROX``: each once, in kubectl's order."""
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in modes)


class VolumeStrategy(Strategy[PersistentVolume]):
    """Its status is the controller's, who lets a deleted one go when no claim has it."""

    def decode(self, body: bytes, context: WriteContext) -> PersistentVolume:
        """See :class:`Strategy`."""
        value = decode_body(body, PersistentVolume, context)
        expect_v1(value.api_version, value.kind, KIND)
        return value

    def load(self, item: StoredObject) -> PersistentVolume:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: PersistentVolume) -> bytes:
        """See :class:`Strategy`."""
        return msgspec.json.encode(value)

    def prepare_create(self, value: PersistentVolume, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        set_volume_defaults(value)
        refuse(KIND, value.metadata.name, validate_volume(value))
        refuse(KIND, value.metadata.name, refused_volume_fields(value.spec))
        value.status = PersistentVolumeStatus(phase="Pending")
        if PV_PROTECTION not in value.metadata.finalizers:
            value.metadata.finalizers.append(PV_PROTECTION)

    def prepare_update(self, value: PersistentVolume, old: PersistentVolume, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        value.status = old.status
        set_volume_defaults(value)
        refuse(KIND, value.metadata.name, validate_volume_update(value, old))
        refuse(KIND, value.metadata.name, refused_volume_fields(value.spec))


def _cells(value: PersistentVolume) -> list[Any]:
    meta, spec, status = value.metadata, value.spec, value.status
    claim = f"{spec.claim_ref.namespace}/{spec.claim_ref.name}" if spec.claim_ref is not None else ""
    return [
        meta.name,
        size(spec.capacity),
        modes_text(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        "Terminating" if meta.deletion_timestamp else status.phase,
        claim,
        spec.storage_class_name,
        spec.volume_attributes_class_name or "<unset>",
        status.reason,
        age(meta.creation_timestamp),
        spec.volume_mode or "<unset>",
    ]


def persistent_volumes() -> Resource:
    """``v1 PersistentVolume``."""
    return Resource(
        plural="persistentvolumes",
        singular="persistentvolume",
        kind=KIND,
        verbs=ALL_VERBS,
        strategy=VolumeStrategy(),
        namespaced=False,
        short_names=("pv",),
        type=PersistentVolume,
        columns=COLUMNS,
        cells=_cells,
    )
