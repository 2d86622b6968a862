"""The API objects that explained pods name: out of the same manifests, or from the daemon if one answers.

What is in a Secret is not shown: each of its values stands as a placeholder. So does a value that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from pyrt.cli.manifests import Manifest
from pyrt.client.api import Api
from pyrt.client.errors import ApiError, ClientError
from pyrt.client.resources import CONFIG_MAP, SECRET
from pyrt.kube.config_map import ConfigMap
from pyrt.kube.decode import DecodeError, from_object
from pyrt.kube.encoded import encoded
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod
from pyrt.kube.referring import Reference, references
from pyrt.kube.secret import Secret
from pyrt.volumes.references import NoReferences

T = TypeVar("T", ConfigMap, Secret)

KINDS: Final = ("ConfigMap", "Secret", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "StorageClass")
"""What stands beside pods in a manifest and needs no explanation of its own."""


class ExplainedFiles:
    """Stands for files that an init container would write."""

    def value(self, volume: str, path: str, name: str) -> str | None:
        """See :class:`pyrt.pods.env_files.EnvFiles`."""
        return f"<{name} in file {path} of volume {volume}>"


class LocalObjects(NoReferences):
    """:class:`pyrt.volumes.references.References` for explaining."""

    def __init__(self, manifests: Iterable[Manifest], namespace: str, api: Api) -> None:
        self._api: Api | None = api
        self._config_maps: dict[tuple[str, str], ConfigMap | None] = {}
        self._secrets: dict[tuple[str, str], Secret | None] = {}
        for manifest in manifests:
            place = (manifest.namespace or namespace, manifest.name)
            if manifest.object.get("kind") == "ConfigMap":
                self._config_maps[place] = _typed(manifest.object, ConfigMap)
            elif manifest.object.get("kind") == "Secret":
                self._secrets[place] = _hidden(_typed(manifest.object, Secret))

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """The ConfigMap, ``None`` if nobody knows it."""
        place = (namespace, name)
        if place not in self._config_maps:
            self._config_maps[place] = self._ask(CONFIG_MAP.path(namespace, name), ConfigMap)
        return self._config_maps[place]

    def secret(self, namespace: str, name: str) -> Secret | None:
        """The Secret without what is in it, ``None`` if nobody knows it."""
        place = (namespace, name)
        if place not in self._secrets:
            self._secrets[place] = _hidden(self._ask(SECRET.path(namespace, name), Secret))
        return self._secrets[place]

    def imagine(self, pod: Pod) -> tuple[str, ...]:
        """Make up what the pod needs and nobody knows; says what that is."""
        namespace = pod.metadata.namespace
        missing: dict[str, None] = {}
        for reference in references(pod):
            if reference.optional:
                continue
            known = (
                self.config_map(namespace, reference.name)
                if reference.kind == "ConfigMap"
                else self.secret(namespace, reference.name)
            )
            if known is None or (reference.key and not _has(known, reference.key)):
                missing[f"{reference.kind} {namespace}/{reference.name}"] = None
                self._invent(namespace, reference, known)
        return tuple(missing)

    def _invent(self, namespace: str, reference: Reference, known: ConfigMap | Secret | None) -> None:
        place = (namespace, reference.name)
        if reference.kind == "ConfigMap":
            made = known if isinstance(known, ConfigMap) else ConfigMap(metadata=ObjectMeta(name=reference.name))
            if reference.key:
                made.data[reference.key] = _placeholder(reference.key, "ConfigMap", reference.name)
            self._config_maps[place] = made
        else:
            other = known if isinstance(known, Secret) else Secret(metadata=ObjectMeta(name=reference.name))
            if reference.key:
                other.data[reference.key] = encoded(_placeholder(reference.key, "Secret", reference.name).encode())
            self._secrets[place] = other

    def _ask(self, path: str, to: type[T]) -> T | None:
        if self._api is None:
            return None
        try:
            return _typed(self._api.get(path), to)
        except ApiError:
            return None
        except ClientError:
            self._api = None
            return None


def _typed(value: dict[str, object], to: type[T]) -> T | None:
    try:
        return from_object(value, to)
    except DecodeError:
        return None


def _placeholder(key: str, kind: str, name: str) -> str:
    return f"<{key} of {kind} {name}>"


def _hidden(secret: Secret | None) -> Secret | None:
    if secret is None:
        return None
    name = secret.metadata.name
    keys = [*secret.data, *secret.string_data]
    data = {key: encoded(_placeholder(key, "Secret", name).encode()) for key in keys}
    return Secret(metadata=ObjectMeta(name=name), data=data)


def _has(known: ConfigMap | Secret, key: str) -> bool:
    return key in known.data or (isinstance(known, ConfigMap) and key in known.binary_data)
