"""What a pod's network attachment consists of, as data: addresses and ready-made netlink messages.

``pyrt.network`` decides and encodes; ``pyrt-pod`` sends the messages. The pod process opens one NETLINK_ROUTE
socket before it leaves the host's network namespace and one after, so that both sides of the veth pair are set up
by one process in one go, without a round trip to the daemon.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

HOST_NETNS_FD = 4
"""In ``pyrt-pod``, the file descriptor that refers to the host's network namespace (native/protocol.h).

The veth pair is created from the pod's side; its peer is put into the host's namespace with
``IFLA_NET_NS_FD`` = this number.
"""


@dataclass(frozen=True, slots=True)
class HostPort:
    """One published port (``spec.containers[].ports[]`` with ``hostPort``)."""

    protocol: Literal["tcp", "udp", "sctp"]
    host_port: int
    container_port: int
    host_ip: str = ""
    """Empty for every address of the host."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A pod's place in the network: what was allocated for it and how to set it up.

    ``pod_messages`` go to the socket in the pod's namespace first, then ``host_messages`` to the host's, then
    ``final_messages`` to the pod's. Every message
    is one complete nlmsghdr with NLM_F_REQUEST | NLM_F_ACK. Nothing waits: addresses carry IFA_F_NODAD and
    neighbours are permanent, so the first packet can leave at once.
    """

    host_interface: str
    mtu: int
    ipv4: IPv4Address | None
    ipv6: IPv6Address | None
    pod_messages: tuple[bytes, ...]
    host_messages: tuple[bytes, ...]
    description: tuple[str, ...]
    """The same as ip(8) commands, for ``pyrt explain``; one line a message, in order."""
    final_messages: tuple[bytes, ...] = ()
    """To the socket in the pod's namespace again, after ``host_messages``: what makes sure that the link, which has had
    its carrier only since the host's side went up, takes the very first packet."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Textual addresses, the primary family first."""
        return tuple(str(a) for a in (self.ipv4, self.ipv6) if a is not None)
