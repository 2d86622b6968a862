"""Host ports: who has which, and whether one can be had.

Two pods conflict as the Kubernetes scheduler sees it: same protocol and port, and the same host address or either of
them every address. A process of the host that listens on the port makes the pod fail too: translation happens before
delivery, so the pod would silently take the process's traffic (which is what the CNI portmap plugin lets happen).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from pyrt.ids import SandboxId
from pyrt.network.errors import NetworkError, PortTaken
from pyrt.network.types import HostPort

_KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, 132),
}
_ANY = ("", "0.0.0.0", "::")
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78


def describe(port: HostPort) -> str:
    """``hostPort 127.0.0.1:8080/tcp``, as errors name it."""
    if not port.host_ip:
        return f"hostPort {port.host_port}/{port.protocol}"
    shown = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    return f"hostPort {shown}:{port.host_port}/{port.protocol}"


def host_address(port: HostPort) -> IPv4Address | IPv6Address | None:
    """The one host address that is meant; ``None`` for all of (:func:`versions`)."""
    return None if port.host_ip in _ANY else ip_address(port.host_ip)


def versions(port: HostPort) -> tuple[int, ...]:
    """The IP versions in which the port is published, if the pod has them."""
    if not port.host_ip:
        return (4, 6)
    return (ip_address(port.host_ip).version,)


def conflict(one: HostPort, other: HostPort) -> bool:
    """Whether both cannot be published at once."""
    if (one.protocol, one.host_port) != (other.protocol, other.host_port):
        return False
    if not set(versions(one)) & set(versions(other)):
        return False
    mine, theirs = host_address(one), host_address(other)
    return mine is None or theirs is None or mine == theirs


class HostPorts:
    """The published ports of all pods."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, int], list[tuple[SandboxId, HostPort]]] = {}

    def check(self, sandbox_id: SandboxId, ports: Iterable[HostPort]) -> None:
        """Raise :class:`PortTaken` if another pod, this pod itself, or a process has one of ``ports``."""
        seen: list[HostPort] = []
        for port in ports:
            for owner, other in self._taken.get((port.protocol, port.host_port), ()):
                if owner != sandbox_id and conflict(port, other):
                    raise PortTaken(f"in use by pod sandbox {owner[:13]}", operation=describe(port))
            if any(conflict(port, other) for other in seen):
                raise PortTaken("asked for twice in this pod", operation=describe(port))
            seen.append(port)
            _check_listeners(port)

    def add(self, sandbox_id: SandboxId, ports: Iterable[HostPort]) -> None:
        """Note that a pod has them."""
        for port in ports:
            self._taken.setdefault((port.protocol, port.host_port), []).append((sandbox_id, port))

    def remove(self, sandbox_id: SandboxId, ports: Iterable[HostPort]) -> None:
        """Note that a pod has them no more."""
        for port in ports:
            key = (port.protocol, port.host_port)
            left = [entry for entry in self._taken.get(key, ()) if entry[0] != sandbox_id or entry[1] != port]
            if left:
                self._taken[key] = left
            else:
                self._taken.pop(key, None)


def _check_listeners(port: HostPort) -> None:
    kind, protocol = _KINDS[port.protocol]
    address = host_address(port)
    for version in versions(port):
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        try:
            with socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol) as probe:
                if port.protocol == "tcp":
                    # Connections in TIME_WAIT do not hold a port; a listener does all the same (socket(7)).
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                # An address that this machine does not have yet (a floating one) is no reason to fail.
                if version == 6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
                    probe.bind((str(address or "::"), port.host_port))
                else:
                    probe.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
                    probe.bind((str(address or "0.0.0.0"), port.host_port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = "a process on the host listens there (ss -lnp tells which)"
                raise PortTaken(message, operation=describe(port)) from error
            if error.errno in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ESOCKTNOSUPPORT):
                continue  # nobody can listen in a protocol that the kernel does not have
            raise NetworkError(operation=describe(port), errno=error.errno) from error
