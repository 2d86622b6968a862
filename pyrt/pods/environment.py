"""A container's environment variables, in the kubelet's order (``pkg/kubelet/kubelet_pods.go``,
makeEnvironmentVariables): those of envFrom, over them those of env, each seeing the ones before it.

Values come from Secrets: no error repeats one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyrt.kube import downward
from pyrt.kube.container import (
    Container,
    EnvFromSource,
    EnvVarSource,
    EphemeralContainer,
    FileKeySelector,
)
from pyrt.kube.encoded import decoded
from pyrt.kube.expand import expand
from pyrt.kube.pod import Pod
from pyrt.kube.volumes import ResourceFieldSelector
from pyrt.pods.env_files import EnvFileError, EnvFiles, VolumeFiles
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.facts import NodeFacts
from pyrt.volumes.references import NONE, References


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values come from that are not in the pod's object."""

    references: References = NONE
    files: EnvFiles = VolumeFiles({})  # noqa: RUF009 - never changed


NOWHERE: Final = Sources()


def environment(
    pod: Pod,
    container: Container | EphemeralContainer,
    facts: NodeFacts,
    addresses: Sequence[str],
    sources: Sources = NOWHERE,
) -> dict[str, str]:
    """Name to value; a later variable of the same name wins, ``$(NAME)`` sees those before it.

    Raises
    ------
    ContainerConfigError: a source that is not there, in the kubelet's words.
    """
    if not container.env and not container.env_from:
        return {}
    found = _Environment(pod, container, facts, addresses, sources)
    for source in container.env_from:
        found.add_all(source)
    for variable in container.env:
        if variable.value_from is None:
            found.values[variable.name] = expand(variable.value, found.values)
        else:
            value = found.resolve(variable.value_from, variable.name)
            if value is not None:
                found.values[variable.name] = value
    return found.values


def needs_sandbox(container: Container | EphemeralContainer) -> bool:
    """Whether the environment tells the pod's address, or what is in its memory: the sandbox has to come first."""
    for variable in container.env:
        source = variable.value_from
        if source is None:
            continue
        if source.file_key_ref is not None:
            return True
        if source.field_ref is not None and source.field_ref.field_path in ("status.podIP", "status.podIPs"):
            return True
    return False


class _Environment:
    """The variables so far, and the objects that were looked up for them."""

    def __init__(
        self,
        pod: Pod,
        container: Container | EphemeralContainer,
        facts: NodeFacts,
        addresses: Sequence[str],
        sources: Sources,
    ) -> None:
        self.values: dict[str, str] = {}
        self._pod = pod
        self._container = container
        self._facts = facts
        self._addresses = addresses
        self._sources = sources
        self._config_maps: dict[str, Mapping[str, str] | None] = {}
        self._secrets: dict[str, Mapping[str, str] | None] = {}

    # --- objects --------------------------------------------------------------------------------------------------

    def _config_map(self, name: str, *, optional: bool) -> Mapping[str, str] | None:
        """``data`` of a ConfigMap. ``binaryData`` is for volumes only."""
        if name not in self._config_maps:
            found = self._sources.references.config_map(self._pod.metadata.namespace, name)
            self._config_maps[name] = found.data if found is not None else None
        data = self._config_maps[name]
        if data is None and not optional:
            raise ContainerConfigError(f'configmap "{name}" not found')
        return data

    def _secret(self, name: str, *, optional: bool) -> Mapping[str, str] | None:
        """``data`` of a Secret, in base64."""
        if name not in self._secrets:
            found = self._sources.references.secret(self._pod.metadata.namespace, name)
            self._secrets[name] = found.data if found is not None else None
        data = self._secrets[name]
        if data is None and not optional:
            raise ContainerConfigError(f'secret "{name}" not found')
        return data

    def _plain(self, name: str, key: str, text: str) -> str:
        where = f"key {key} in Secret {self._pod.metadata.namespace}/{name}"
        try:
            value = decoded(text).decode()
        except UnicodeDecodeError:
            raise ContainerConfigError(f"{where} is not UTF-8, and cannot be a variable") from None
        return self._checked(value, where)

    def _checked(self, value: str, where: str) -> str:
        if "\0" in value:
            raise ContainerConfigError(f"{where} contains a NUL byte, and cannot be a variable")
        return value

    # --- envFrom --------------------------------------------------------------------------------------------------

    def add_all(self, source: EnvFromSource) -> None:
        """Every value of an object. Any key of one is a name that a variable may have, since KEP-4369."""
        if source.config_map_ref is not None:
            name = source.config_map_ref.name
            for key, value in (self._config_map(name, optional=bool(source.config_map_ref.optional)) or {}).items():
                where = f"key {key} in ConfigMap {self._pod.metadata.namespace}/{name}"
                self.values[source.prefix + key] = self._checked(value, where)
        elif source.secret_ref is not None:
            name = source.secret_ref.name
            for key, text in (self._secret(name, optional=bool(source.secret_ref.optional)) or {}).items():
                self.values[source.prefix + key] = self._plain(name, key, text)

    # --- valueFrom ------------------------------------------------------------------------------------------------

    def resolve(self, source: EnvVarSource, name: str) -> str | None:
        """The value; ``None`` if there is none and it is optional."""
        namespace = self._pod.metadata.namespace
        if source.field_ref is not None:
            return self._field(source.field_ref.field_path, name)
        if source.resource_field_ref is not None:
            return self._resource(source.resource_field_ref)
        if source.config_map_key_ref is not None:
            one = source.config_map_key_ref
            data = self._config_map(one.name, optional=bool(one.optional)) or {}
            if one.key in data:
                return self._checked(data[one.key], f"key {one.key} in ConfigMap {namespace}/{one.name}")
            if not one.optional:
                raise ContainerConfigError(f"couldn't find key {one.key} in ConfigMap {namespace}/{one.name}")
        elif source.secret_key_ref is not None:
            other = source.secret_key_ref
            data = self._secret(other.name, optional=bool(other.optional)) or {}
            if other.key in data:
                return self._plain(other.name, other.key, data[other.key])
            if not other.optional:
                raise ContainerConfigError(f"couldn't find key {other.key} in Secret {namespace}/{other.name}")
        elif source.file_key_ref is not None:
            return self._file(source.file_key_ref)
        return None

    def _field(self, path: str, name: str) -> str:
        value = downward.field_value(self._pod, path)
        if value is not None:
            return value
        spec, addresses = self._pod.spec, self._addresses
        plain: Mapping[str, str] = {
            "spec.nodeName": spec.node_name,
            "spec.serviceAccountName": spec.service_account_name,
            "status.hostIP": self._facts.addresses[0],
            "status.hostIPs": ",".join(self._facts.addresses),
            "status.podIP": addresses[0] if addresses else "",
            "status.podIPs": ",".join(addresses),
        }
        if path not in plain:
            raise ContainerConfigError(f"unsupported fieldPath: {path}", operation=f"env {name}: fieldRef")
        return plain[path]

    def _resource(self, selector: ResourceFieldSelector) -> str:
        """As the kubelet's defaultPodLimitsForDownwardAPI: limits that are not set are the pod's, or the node's."""
        allocatable = dict(self._facts.allocatable)
        whole = self._pod.spec.resources
        if whole is not None:
            allocatable |= {key: value for key, value in whole.limits.items() if key in ("cpu", "memory")}
        name = selector.container_name
        container = self._container if not name else downward.find_container(self._pod, name)
        if container is None:
            raise ContainerConfigError(f"container {name} not found")
        if name and any(container is init for init in self._pod.spec.init_containers):
            allocatable = {}  # the kubelet defaults those of app containers, and its own container's
        return downward.resource_value(selector, *downward.with_limits(container, allocatable))

    def _file(self, selector: FileKeySelector) -> str | None:
        try:
            value = self._sources.files.value(selector.volume_name, selector.path, selector.key)
        except EnvFileError as error:
            raise ContainerConfigError(str(error)) from error
        if value is None and not selector.optional:
            raise ContainerConfigError(
                f'environment variable key "{selector.key}" not found in file "{selector.path}" '
                f'of volume "{selector.volume_name}"'
            )
        return value if value is None else self._checked(value, f"{selector.key} in {selector.path}")
