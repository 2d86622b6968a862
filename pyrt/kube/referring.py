"""Which ConfigMaps and Secrets a pod's manifest names, apart from imagePullSecrets: to know whom a change concerns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.volumes import KeyToPath, Volume


class Reference(NamedTuple):
    """An object of the pod's namespace, and one key of it if the pod names that."""

    kind: str
    """``ConfigMap`` or ``Secret``."""
    name: str
    key: str = ""
    optional: bool = False

    @property
    def object(self) -> tuple[str, str]:
        """Kind and name."""
        return self.kind, self.name


def references(pod: Pod) -> Iterator[Reference]:
    """Everything that the pod names, in the order of the manifest; the same object may come several times."""
    spec = pod.spec
    for volume in spec.volumes:
        yield from volume_references(volume)
    containers: list[Container | EphemeralContainer] = [
        *spec.init_containers,
        *spec.containers,
        *spec.ephemeral_containers,
    ]
    for container in containers:
        if container.env or container.env_from:
            yield from container_references(container)


def volume_references(volume: Volume) -> Iterator[Reference]:
    """What one volume is made from."""
    if volume.config_map is not None:
        source = volume.config_map
        yield from _items("ConfigMap", source.name, source.items, source.optional)
    if volume.secret is not None:
        yield from _items("Secret", volume.secret.secret_name, volume.secret.items, volume.secret.optional)
    for projection in volume.projected.sources if volume.projected is not None else ():
        if projection.config_map is not None:
            part = projection.config_map
            yield from _items("ConfigMap", part.name, part.items, part.optional)
        if projection.secret is not None:
            yield from _items("Secret", projection.secret.name, projection.secret.items, projection.secret.optional)


def container_references(container: Container | EphemeralContainer) -> Iterator[Reference]:
    """What one container's variables are made from."""
    for source in container.env_from:
        if source.config_map_ref is not None:
            yield Reference("ConfigMap", source.config_map_ref.name, "", bool(source.config_map_ref.optional))
        if source.secret_ref is not None:
            yield Reference("Secret", source.secret_ref.name, "", bool(source.secret_ref.optional))
    for variable in container.env:
        value = variable.value_from
        if value is None:
            continue
        if value.config_map_key_ref is not None:
            one = value.config_map_key_ref
            yield Reference("ConfigMap", one.name, one.key, bool(one.optional))
        if value.secret_key_ref is not None:
            other = value.secret_key_ref
            yield Reference("Secret", other.name, other.key, bool(other.optional))


def _items(kind: str, name: str, items: list[KeyToPath], optional: bool | None) -> Iterator[Reference]:
    if not items:
        yield Reference(kind, name, "", bool(optional))
    for item in items:
        yield Reference(kind, name, item.key, bool(optional))
