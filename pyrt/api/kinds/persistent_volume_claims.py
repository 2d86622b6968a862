"""PersistentVolumeClaims: stored here, bound by the storage controller."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from pyrt.api.decoding import decode_body, expect_v1, refuse
from pyrt.api.errors import forbidden
from pyrt.api.kinds.persistent_volumes import modes_text
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import ALL_VERBS, Resource, Strategy, WriteContext
from pyrt.api.table import AGE, NAME, Column
from pyrt.kube import quantity
from pyrt.kube.storage import PVC_PROTECTION, PersistentVolumeClaim, PersistentVolumeClaimStatus, size
from pyrt.kube.storage_defaults import set_claim_defaults
from pyrt.kube.validation.claims import refused_claim_fields, validate_claim, validate_claim_update
from pyrt.store import StoredObject

KIND: Final = "PersistentVolumeClaim"
_decoder: Final = msgspec.json.Decoder(PersistentVolumeClaim)

COLUMNS: Final = (
    NAME,
    Column("Status"),
    Column("Volume", description="What it is bound to."),
    Column("Capacity"),
    Column("Access Modes"),
    Column("StorageClass"),
    Column("VolumeAttributesClass"),
    AGE,
    Column("VolumeMode", priority=1),
)


class Classes(Protocol):
    """What has to be known of storage classes."""

    def default_class(self) -> str | None:
        """The name of the class of claims that name none."""

    def expands(self, name: str | None) -> bool:
        """Whether volumes of a class may grow."""


class ClaimStrategy(Strategy[PersistentVolumeClaim]):
    """Its status is the controller's, who lets a deleted one go when no pod uses it."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes

    def decode(self, body: bytes, context: WriteContext) -> PersistentVolumeClaim:
        """See :class:`Strategy`."""
        value = decode_body(body, PersistentVolumeClaim, context)
        expect_v1(value.api_version, value.kind, KIND)
        return value

    def load(self, item: StoredObject) -> PersistentVolumeClaim:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: PersistentVolumeClaim) -> bytes:
        """See :class:`Strategy`."""
        return msgspec.json.encode(value)

    def prepare_create(self, value: PersistentVolumeClaim, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        set_claim_defaults(value)
        if value.spec.storage_class_name is None:
            value.spec.storage_class_name = self._classes.default_class()
        refuse(KIND, value.metadata.name, validate_claim(value))
        refuse(KIND, value.metadata.name, refused_claim_fields(value.spec))
        value.status = PersistentVolumeClaimStatus(phase="Pending")
        if PVC_PROTECTION not in value.metadata.finalizers:
            value.metadata.finalizers.append(PVC_PROTECTION)

    def prepare_update(self, value: PersistentVolumeClaim, old: PersistentVolumeClaim, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        value.status = old.status
        set_claim_defaults(value)
        refuse(KIND, value.metadata.name, validate_claim_update(value, old))
        asked, was = size(value.spec.resources.requests), size(old.spec.resources.requests)
        if quantity.value(asked) > quantity.value(was) and not self._classes.expands(value.spec.storage_class_name):
            detail = (
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
                "support resize"
            )
            raise forbidden("persistentvolumeclaims", value.metadata.name, detail)


def _cells(value: PersistentVolumeClaim) -> list[Any]:
    meta, spec, status = value.metadata, value.spec, value.status
    bound = bool(spec.volume_name)
    return [
        meta.name,
        "Terminating" if meta.deletion_timestamp else status.phase,
        spec.volume_name,
        status.capacity.get("storage", "") if bound else "",
        modes_text(status.access_modes) if bound else "",
        spec.storage_class_name or "",
        spec.volume_attributes_class_name or "<unset>",
        age(meta.creation_timestamp),
        spec.volume_mode or "<unset>",
    ]


def persistent_volume_claims(classes: Classes) -> Resource:
    """``v1 PersistentVolumeClaim``."""
    return Resource(
        plural="persistentvolumeclaims",
        singular="persistentvolumeclaim",
        kind=KIND,
        verbs=ALL_VERBS,
        strategy=ClaimStrategy(classes),
        short_names=("pvc",),
        type=PersistentVolumeClaim,
        columns=COLUMNS,
        cells=_cells,
    )
