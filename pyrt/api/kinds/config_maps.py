"""ConfigMaps: kept for the pods that name them (volumes, variables)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pyrt.api.decoding import decode_body, expect_v1, refuse
from pyrt.api.errors import bad_request
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import ALL_VERBS, Resource, Strategy, WriteContext
from pyrt.api.table import AGE, NAME, Column
from pyrt.kube.config_map import ConfigMap
from pyrt.kube.encoded import decoded
from pyrt.kube.validation.config_map import validate_config_map, validate_config_map_update
from pyrt.store import StoredObject

KIND: Final = "ConfigMap"
_decoder: Final = msgspec.json.Decoder(ConfigMap)


class ConfigMapStrategy(Strategy[ConfigMap]):
    """Only stored."""

    def decode(self, body: bytes, context: WriteContext) -> ConfigMap:
        """See :class:`Strategy`."""
        value = decode_body(body, ConfigMap, context)
        expect_v1(value.api_version, value.kind, KIND)
        for key, text in value.binary_data.items():
            try:
                decoded(text)
            except ValueError as error:
                raise bad_request(
                    f'ConfigMap in version "v1" cannot be handled as a ConfigMap: binaryData[{key}]: {error}'
                ) from error
        return value

    def load(self, item: StoredObject) -> ConfigMap:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: ConfigMap) -> bytes:
        """See :class:`Strategy`."""
        return msgspec.json.encode(value)

    def prepare_create(self, value: ConfigMap, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        refuse(KIND, value.metadata.name, validate_config_map(value))

    def prepare_update(self, value: ConfigMap, old: ConfigMap, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        refuse(KIND, value.metadata.name, validate_config_map_update(value, old))


def _cells(value: ConfigMap) -> list[Any]:
    meta = value.metadata
    return [meta.name, len(value.data) + len(value.binary_data), age(meta.creation_timestamp)]


def config_maps() -> Resource:
    """``v1 ConfigMap``."""
    return Resource(
        plural="configmaps",
        singular="configmap",
        kind=KIND,
        verbs=ALL_VERBS,
        strategy=ConfigMapStrategy(),
        short_names=("cm",),
        type=ConfigMap,
        columns=(NAME, Column("Data", type="string", description="How many values it has."), AGE),
        cells=_cells,
    )
