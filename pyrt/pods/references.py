"""The API objects that pods refer to, out of the store."""

from __future__ import annotations

from typing import Final

import msgspec

from pyrt.kube.config_map import ConfigMap
from pyrt.kube.secret import Secret
from pyrt.store import Store

_config_map: Final = msgspec.json.Decoder(ConfigMap)
_secret: Final = msgspec.json.Decoder(Secret)


class StoreReferences:
    """:class:`pyrt.volumes.references.References` of one store."""

    def __init__(self, store: Store) -> None:
        self._objects = store.objects

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """The ConfigMap, ``None`` if there is none."""
        item = self._objects.find("ConfigMap", namespace, name)
        return _config_map.decode(item.data) if item is not None else None

    def secret(self, namespace: str, name: str) -> Secret | None:
        """The Secret, ``None`` if there is none."""
        item = self._objects.find("Secret", namespace, name)
        return _secret.decode(item.data) if item is not None else None
