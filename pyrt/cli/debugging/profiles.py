"""``--profile``: which privileges a debugging container gets (kubectl, ``pkg/cmd/debug/profiles.go``; KEP-1441).

Pure functions on plain objects. A profile knows three journeys: a guest in a running pod, a copy of a pod, and a pod
with the node's namespaces.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final

Object = dict[str, Any]


class Journey(enum.Enum):
    """What is being debugged, and how."""

    GUEST = "guest"
    COPY = "copy"
    NODE = "node"


def general(spec: Object, container: Object, journey: Journey) -> None:
    """Reasonable defaults for each journey."""
    if journey is Journey.NODE:
        _mount_root(spec, container)
        _use_host_namespaces(spec)
        return
    _add_capabilities(container, "SYS_PTRACE")
    _share_processes(spec, journey)


def baseline(spec: Object, container: Object, journey: Journey) -> None:
    """General without what the baseline security standard forbids: host namespaces, host paths, tracing."""
    container.pop("securityContext", None)
    _share_processes(spec, journey)


def restricted(spec: Object, container: Object, journey: Journey) -> None:
    """What the restricted security standard demands."""
    container["securityContext"] = {
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    _share_processes(spec, journey)


def netadmin(spec: Object, container: Object, journey: Journey) -> None:
    """For looking at networks."""
    _add_capabilities(container, "NET_ADMIN", "NET_RAW")
    if journey is Journey.NODE:
        _use_host_namespaces(spec)
    _share_processes(spec, journey)


def sysadmin(spec: Object, container: Object, journey: Journey) -> None:
    """Everything."""
    container.setdefault("securityContext", {})["privileged"] = True
    if journey is Journey.NODE:
        _use_host_namespaces(spec)
        _mount_root(spec, container)
    _share_processes(spec, journey)


def legacy(spec: Object, container: Object, journey: Journey) -> None:
    """What kubectl 1.23 did."""
    if journey is Journey.NODE:
        _mount_root(spec, container)
        _use_host_namespaces(spec)


PROFILES: Final[Mapping[str, Callable[[Object, Object, Journey], None]]] = {
    "general": general,
    "baseline": baseline,
    "restricted": restricted,
    "netadmin": netadmin,
    "sysadmin": sysadmin,
    "legacy": legacy,
}


def _mount_root(spec: Object, container: Object) -> None:
    spec.setdefault("volumes", []).append({"name": "host-root", "hostPath": {"path": "/"}})
    container.setdefault("volumeMounts", []).append({"name": "host-root", "mountPath": "/host"})


def _use_host_namespaces(spec: Object) -> None:
    spec |= {"hostNetwork": True, "hostPID": True, "hostIPC": True}


def _share_processes(spec: Object, journey: Journey) -> None:
    if journey is Journey.COPY:
        spec.setdefault("shareProcessNamespace", True)


def _add_capabilities(container: Object, *names: str) -> None:
    added = container.setdefault("securityContext", {}).setdefault("capabilities", {}).setdefault("add", [])
    added += names
