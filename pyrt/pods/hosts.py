"""/etc/hosts and the hostname of a pod, as the kubelet makes them (``pkg/kubelet/kubelet_pods.go``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyrt.kube.pod import HostAlias, Pod

HOSTNAME_MAX: Final = 63
"""Characters; the kernel would take 64 (gethostname(2)), DNS labels end at 63."""

_LOCAL: Final = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
_HOST_NETWORK: Final = "# Kubernetes-managed hosts file (host network).\n"
_ALIASES: Final = "\n# Entries added by HostAliases.\n"


def pod_hosts(aliases: Sequence[HostAlias]) -> str:
    """/etc/hosts of a pod with a network of its own, without the pod's own lines: those stand before
    :func:`aliases_text`'s part.
    """
    return _LOCAL + aliases_text(aliases)


def host_network_hosts(host_file: str, aliases: Sequence[HostAlias]) -> str:
    """/etc/hosts of a pod in the host's network: the host's file and the aliases."""
    return _HOST_NETWORK + host_file + aliases_text(aliases)


def aliases_text(aliases: Sequence[HostAlias]) -> str:
    """The lines of ``hostAliases``."""
    if not aliases:
        return ""
    lines = ["\t".join((alias.ip, *alias.hostnames)) + "\n" for alias in aliases]
    return _ALIASES + "".join(lines)


def hostname_of(pod: Pod, node_name: str, domain: str) -> tuple[str, str]:
    """The hostname of a pod's UTS namespace and its fully qualified name, empty without a subdomain.

    ``spec.hostname`` or the pod's name, cut to 63 characters and stripped of what may not end a name; the node's with
    hostNetwork; the whole qualified name with ``setHostnameAsFQDN``.

    Raises
    ------
    ValueError: ``setHostnameAsFQDN`` and the name has more than 64 characters.
    """
    spec = pod.spec
    if spec.hostname_override:
        return spec.hostname_override, ""
    if spec.host_network:
        return node_name, ""
    name = spec.hostname or pod.metadata.name[:HOSTNAME_MAX].rstrip("-.")
    if not spec.subdomain:
        return name, ""
    qualified = f"{name}.{spec.subdomain}.{pod.metadata.namespace}.svc.{domain}"
    if spec.set_hostname_as_fqdn:
        if len(qualified) > 64:
            raise ValueError(
                f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {qualified} is too long "
                f"(64 characters is the max, {len(qualified)} characters requested)"
            )
        return qualified, qualified
    return name, qualified
