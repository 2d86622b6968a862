"""A container's environment variables, in the kubelet's order (``pkg/kubelet/kubelet_pods.go``,
makeEnvironmentVariables).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyrt.kube.container import Container, EnvVarSource, EphemeralContainer
from pyrt.kube.expand import expand
from pyrt.kube.pod import Pod
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.facts import NodeFacts


def environment(
    pod: Pod, container: Container | EphemeralContainer, facts: NodeFacts, addresses: Sequence[str]
) -> dict[str, str]:
    """Name to value; a later variable of the same name wins, ``$(NAME)`` sees those before it.

    Raises
    ------
    ContainerConfigError: a source that is not there, or not supported.
    """
    result: dict[str, str] = {}
    for variable in container.env:
        source = variable.value_from
        if source is None:
            result[variable.name] = expand(variable.value, result)
        else:
            result[variable.name] = _resolve(source, variable.name, pod, facts, addresses)
    return result


def needs_addresses(container: Container | EphemeralContainer) -> bool:
    """Whether the environment tells the pod's address, so that the sandbox has to come first."""
    return any(
        variable.value_from is not None
        and variable.value_from.field_ref is not None
        and variable.value_from.field_ref.field_path in ("status.podIP", "status.podIPs")
        for variable in container.env
    )


def _resolve(source: EnvVarSource, name: str, pod: Pod, facts: NodeFacts, addresses: Sequence[str]) -> str:
    if source.field_ref is None:
        raise ContainerConfigError("only fieldRef is supported", operation=f"env {name}: valueFrom")
    path = source.field_ref.field_path
    meta, spec = pod.metadata, pod.spec
    plain: Mapping[str, str] = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": spec.node_name,
        "spec.serviceAccountName": spec.service_account_name,
        "status.hostIP": facts.addresses[0],
        "status.hostIPs": ",".join(facts.addresses),
        "status.podIP": addresses[0] if addresses else "",
        "status.podIPs": ",".join(addresses),
    }
    if path in plain:
        return plain[path]
    for prefix, values in (("metadata.labels['", meta.labels), ("metadata.annotations['", meta.annotations)):
        if path.startswith(prefix) and path.endswith("']"):
            return values.get(path[len(prefix) : -2], "")
    raise ContainerConfigError(f"unsupported fieldPath: {path}", operation=f"env {name}: fieldRef")
