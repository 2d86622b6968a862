"""StorageClasses: how volumes of a name come about."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pyrt.api.decoding import decode_body, refuse
from pyrt.api.errors import bad_request
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import ALL_VERBS, Resource, Strategy, WriteContext
from pyrt.api.table import AGE, NAME, Column
from pyrt.kube.storage import STORAGE_GROUP, StorageClass, is_default
from pyrt.kube.storage_defaults import set_class_defaults
from pyrt.kube.validation.storage import validate_class, validate_class_update
from pyrt.store import StoredObject

KIND: Final = "StorageClass"
VERSION: Final = f"{STORAGE_GROUP}/v1"
_decoder: Final = msgspec.json.Decoder(StorageClass)


class ClassStrategy(Strategy[StorageClass]):
    """Only stored; the storage controller reads it."""

    def decode(self, body: bytes, context: WriteContext) -> StorageClass:
        """See :class:`Strategy`."""
        value = decode_body(body, StorageClass, context)
        if (value.api_version, value.kind) != (VERSION, KIND):
            raise bad_request(
                f"the API version in the data ({value.api_version}/{value.kind}) does not match the expected API "
                f"version ({VERSION}/{KIND})"
            )
        return value

    def load(self, item: StoredObject) -> StorageClass:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: StorageClass) -> bytes:
        """See :class:`Strategy`."""
        return msgspec.json.encode(value)

    def prepare_create(self, value: StorageClass, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        set_class_defaults(value)
        refuse(KIND, value.metadata.name, validate_class(value), group=STORAGE_GROUP)

    def prepare_update(self, value: StorageClass, old: StorageClass, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        set_class_defaults(value)
        refuse(KIND, value.metadata.name, validate_class_update(value, old), group=STORAGE_GROUP)


def _cells(value: StorageClass) -> list[Any]:
    meta = value.metadata
    return [
        f"{meta.name} (default)" if is_default(value) else meta.name,
        value.provisioner,
        value.reclaim_policy or "Delete",
        value.volume_binding_mode or "Immediate",
        bool(value.allow_volume_expansion),
        age(meta.creation_timestamp),
    ]


def storage_classes() -> Resource:
    """``storage.k8s.io/v1 StorageClass``."""
    return Resource(
        plural="storageclasses",
        singular="storageclass",
        kind=KIND,
        verbs=ALL_VERBS,
        strategy=ClassStrategy(),
        group=STORAGE_GROUP,
        namespaced=False,
        short_names=("sc",),
        type=StorageClass,
        columns=(
            NAME,
            Column("Provisioner"),
            Column("ReclaimPolicy"),
            Column("VolumeBindingMode"),
            Column("AllowVolumeExpansion", type="boolean"),
            AGE,
        ),
        cells=_cells,
    )
