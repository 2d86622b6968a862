"""Which kernel parameters a pod may ask for: Kubernetes' safe set, and what the operator allows besides.

A pod that asks for another is not started at all, as the kubelet does it (kubelet, pkg/kubelet/sysctl).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pyrt.kube.pod import Pod

SAFE: Final = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)
"""Kubernetes documentation, "Safe and Unsafe Sysctls", 1.36."""
_NAMESPACED: Final = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.", "net.")
"""Beginnings of all that belong to a network or IPC namespace; any other would be the host's own."""


def forbidden(pod: Pod, allowed_unsafe: Iterable[str]) -> str:
    """The first kernel parameter of the pod that it may not have; empty if there is none.

    ``allowed_unsafe``: names, or beginnings that end in ``*``.
    """
    context = pod.spec.security_context
    if context is None or not context.sysctls:
        return ""
    patterns = tuple(pattern.replace("/", ".") for pattern in allowed_unsafe)
    for sysctl in context.sysctls:
        name = sysctl.name.replace("/", ".")
        known = name in SAFE or (name.startswith(_NAMESPACED) and any(_matches(name, p) for p in patterns))
        if not known:
            return sysctl.name
    return ""


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
