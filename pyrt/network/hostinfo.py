"""What this host's network is like, read from /proc and /sys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct

_DEFAULT_MTU = 1500
_SIOCGIFMTU = 0x8921


def has_ipv6() -> bool:
    """Whether the kernel has the protocol (``ipv6.disable=1`` on its command line takes it away).

    Where it is a module that nothing has needed so far, the first socket of the family loads it.
    """
    if not os.path.exists("/proc/sys/net/ipv6/conf/all"):
        with contextlib.suppress(OSError):
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    return os.path.exists("/proc/sys/net/ipv6/conf/all")


def ipv6_disabled() -> bool:
    """Whether new interfaces of the host are without IPv6 by an administrator's sysctl."""
    for scope in ("all", "default"):
        with open(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6") as stream:
            if stream.read().strip() == "1":
                return True
    return False


def default_mtu() -> int:
    """The MTU of the interface that has the default route; IPv4's, else IPv6's; 1500 if there is none."""
    interface = _default_interface_v4() or _default_interface_v6()
    if not interface:
        return _DEFAULT_MTU
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
            # struct ifreq, netdevice(7): the name, then the answer. /sys shows only the links of whoever mounted it.
            answer = fcntl.ioctl(any_socket, _SIOCGIFMTU, struct.pack("=16si20x", interface.encode(), 0))
    except OSError:
        return _DEFAULT_MTU
    (mtu,) = struct.unpack_from("=i", answer, 16)
    return max(1280, min(int(mtu), 65535))


def _default_interface_v4() -> str:
    best: tuple[int, str] | None = None
    try:
        with open("/proc/net/route") as routes:
            next(routes)
            for line in routes:
                name, destination, _, _, _, _, metric, mask = line.split()[:8]
                if destination == mask == "00000000" and (best is None or int(metric) < best[0]):
                    best = (int(metric), name)
    except (OSError, StopIteration):
        return ""
    return best[1] if best else ""


def _default_interface_v6() -> str:
    best: tuple[int, str] | None = None
    try:
        with open("/proc/net/ipv6_route") as routes:
            for line in routes:
                fields = line.split()
                destination, length, metric, name = fields[0], fields[1], int(fields[5], 16), fields[9]
                if set(destination) == {"0"} and length == "00" and name != "lo" and (best is None or metric < best[0]):
                    best = (metric, name)
    except OSError:
        return ""
    return best[1] if best else ""
