"""The API objects that pods refer to, out of the store."""

from __future__ import annotations

from typing import Final

import msgspec

from pyrt.kube.config_map import ConfigMap
from pyrt.kube.pod import Pod
from pyrt.kube.secret import Secret
from pyrt.kube.storage import PersistentVolume, PersistentVolumeClaim
from pyrt.store import Store

_config_map: Final = msgspec.json.Decoder(ConfigMap)
_secret: Final = msgspec.json.Decoder(Secret)
_claim: Final = msgspec.json.Decoder(PersistentVolumeClaim)
_volume: Final = msgspec.json.Decoder(PersistentVolume)
_pod: Final = msgspec.json.Decoder(Pod)


class StoreReferences:
    """:class:`pyrt.volumes.references.References` of one store."""

    def __init__(self, store: Store) -> None:
        self._objects = store.objects
        self._held = store.table("claims-held-alone")

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """The ConfigMap, ``None`` if there is none."""
        item = self._objects.find("ConfigMap", namespace, name)
        return _config_map.decode(item.data) if item is not None else None

    def secret(self, namespace: str, name: str) -> Secret | None:
        """The Secret, ``None`` if there is none."""
        item = self._objects.find("Secret", namespace, name)
        return _secret.decode(item.data) if item is not None else None

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        """The PersistentVolumeClaim, ``None`` if there is none."""
        item = self._objects.find("PersistentVolumeClaim", namespace, name)
        return _claim.decode(item.data) if item is not None else None

    def volume(self, name: str) -> PersistentVolume | None:
        """The PersistentVolume, ``None`` if there is none."""
        item = self._objects.find("PersistentVolume", "", name)
        return _volume.decode(item.data) if item is not None else None

    def hold_alone(self, claim_uid: str, pod_uid: str) -> str | None:
        """Take a claim for one pod alone. A pod holds it until it has ended or is gone: nobody has to let go."""
        holder = (self._held.get(claim_uid) or b"").decode()
        if holder and holder != pod_uid:
            item = self._objects.find_uid(holder)
            if item is not None and _pod.decode(item.data).status.phase not in ("Succeeded", "Failed"):
                return f"{item.namespace}/{item.name}"
        if holder != pod_uid:
            self._held.put(claim_uid, pod_uid.encode())
        return None
