"""What is allowed in a pod but hardly meant: the API server's warnings (``pkg/api/pod/warnings.go``), in its words."""

from __future__ import annotations

from collections.abc import Iterator

from pyrt.kube import quantity
from pyrt.kube.container import Container, ContainerPort
from pyrt.kube.pod import Pod, PodSpec

_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_APPARMOR_CONTAINER = "container.apparmor.security.beta.kubernetes.io/"


def pod_warnings(pod: Pod) -> list[str]:
    """The warnings about a defaulted pod."""
    spec = pod.spec
    warnings = [*_annotations(pod), *_lists(spec)]
    for path, container in _containers(spec):
        warnings += _fractions(container, path)
        if len(container.env) > 1:
            warnings += _hidden_variables(container, path)
    warnings += _ports(spec)
    grace = spec.termination_grace_period_seconds
    if grace is not None and grace < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        warnings.append(f"spec.terminationGracePeriodSeconds: {text}")
    return warnings


def _containers(spec: PodSpec) -> Iterator[tuple[str, Container]]:
    for index, container in enumerate(spec.init_containers):
        yield f"spec.initContainers[{index}]", container
    for index, container in enumerate(spec.containers):
        yield f"spec.containers[{index}]", container


def _annotations(pod: Pod) -> Iterator[str]:
    for key in pod.metadata.annotations:
        if key == _SECCOMP_POD or key.startswith(_SECCOMP_CONTAINER):
            yield f'metadata.annotations[{key}]: non-functional in v1.27+; use the "seccompProfile" field instead'
        elif key.startswith(_APPARMOR_CONTAINER):
            yield f'metadata.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _lists(spec: PodSpec) -> Iterator[str]:
    seen: set[str] = set()
    for index, alias in enumerate(spec.host_aliases):
        if alias.ip in seen:
            yield f'spec.hostAliases[{index}].ip: duplicate ip "{alias.ip}"'
        seen.add(alias.ip)
    seen.clear()
    for index, secret in enumerate(spec.image_pull_secrets):
        if not secret.name:
            yield f'spec.imagePullSecrets[{index}].name: invalid empty name ""'
        elif secret.name in seen:
            yield f'spec.imagePullSecrets[{index}].name: duplicate name "{secret.name}"'
        seen.add(secret.name)


def _fractions(container: Container, path: str) -> Iterator[str]:
    for kind, figures in (("limits", container.resources.limits), ("requests", container.resources.requests)):
        for name in ("memory", "ephemeral-storage"):
            text = figures.get(name)
            if text is not None and quantity.is_valid(text) and quantity.value(text).denominator != 1:
                where = f"{path}.resources.{kind}[{name}]"
                yield f'{where}: fractional byte value "{text}" is invalid, must be an integer'


def _hidden_variables(container: Container, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(container.env):
        reference = f"$({variable.name})"
        extends = variable.value_from is None and reference in variable.value and variable.value != reference
        if variable.name in seen and not extends:
            hides = f'hides previous definition of "{variable.name}", which may be dropped when using apply'
            yield f"{path}.env[{index}]: {hides}"
        seen.add(variable.name)


def _ports(spec: PodSpec) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, ContainerPort]]] = {}
    by_name: dict[str, str] = {}
    for path, container in _containers(spec):
        for index, port in enumerate(container.ports):
            where = f"{path}.ports[{index}]"
            if port.host_ip and not port.host_port:
                yield f"{where}: hostIP set without hostPort: {port.host_ip}"
            others = known.setdefault((port.container_port, port.protocol), [])
            for other_where, other in others:
                relation = _relation(port, other)
                if relation:
                    yield f"{where}: {relation} port definition with {other_where}"
            others.append((where, port))
            if port.name:
                first = by_name.setdefault(port.name, where)
                if first != where:
                    rest = f"services and probes that select ports by name will use {first}"
                    yield f'{where}: duplicate port name "{port.name}" with {first}, {rest}'


def _relation(port: ContainerPort, other: ContainerPort) -> str:
    if (port.host_ip, port.host_port) == (other.host_ip, other.host_port):
        return "duplicate"
    if not port.host_port or not other.host_port:
        return "overlapping"
    if port.host_port == other.host_port and bool(port.host_ip) != bool(other.host_ip):
        return "dangerously ambiguous"
    return ""
