"""Forgetting UDP flows to a host port that has changed hands.

Translation is decided by the first packet of a flow and kept while packets go on coming. A client that keeps sending
from one socket (a resolver, syslog) would therefore send to a pod that is gone, or to the host, long after the port
leads to another pod. TCP connections end with the pod; UDP flows have to be deleted (messages and attributes are those
of linux/netfilter/nfnetlink_conntrack.h).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from pyrt.network.errors import NetworkError
from pyrt.network.netlink import NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, attribute

_NETLINK_NETFILTER = 12
_NLM_F_DUMP = 0x300
_NLMSG_DONE = 3
_CT_GET = 0x101
_CT_DELETE = 0x102
_CTA_TUPLE_ORIG = 1
_CTA_TUPLE_REPLY = 2
_CTA_TUPLE_IP = 1
_CTA_TUPLE_PROTO = 2
_CTA_IP_SOURCE = (1, 3)
_CTA_IP_DESTINATION = (2, 4)
_CTA_PROTO_NUM = 1
_CTA_PROTO_DST_PORT = 3
_NESTED = 0x8000


@dataclass(frozen=True, slots=True)
class _Flow:
    original: bytes
    """The attribute that names the flow to the kernel."""
    destination: IPv4Address | IPv6Address
    answered_by: IPv4Address | IPv6Address


def forget_udp(ports: Collection[int], networks: Collection[IPv4Network | IPv6Network]) -> None:
    """Delete the UDP flows to any of ``ports`` that end in a pod of ``networks`` or on this host itself.

    Flows of this host and its pods to the same port elsewhere stay. A kernel without connection tracking has none to
    forget. Raises :class:`NetworkError`.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as link:
            for family in (socket.AF_INET, socket.AF_INET6):
                for flow in list(_flows(link, family, ports)):
                    if _ends_here(flow, networks):
                        _delete(link, family, flow)
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP):
            return
        raise NetworkError(operation="delete UDP flows to host ports", errno=error.errno) from error


def _ends_here(flow: _Flow, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    if any(flow.answered_by in network for network in networks):
        return flow.answered_by != flow.destination  # translated; a pod's own address is not a host port
    return flow.answered_by == flow.destination and _is_local(flow.destination)


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _flows(link: socket.socket, family: int, ports: Collection[int]) -> Iterator[_Flow]:
    link.send(_message(_CT_GET, _NLM_F_DUMP, family, b""))
    while True:
        for kind, payload in _parse(link.recv(1 << 18)):
            if kind == _NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", payload)
                raise OSError(-code, "dump of flows")
            flow = _flow(dict(_attributes(payload[4:])), ports)
            if flow is not None:
                yield flow


def _flow(found: dict[int, bytes], ports: Collection[int]) -> _Flow | None:
    original = dict(_attributes(found[_CTA_TUPLE_ORIG]))
    protocol = dict(_attributes(original[_CTA_TUPLE_PROTO]))
    if protocol[_CTA_PROTO_NUM][0] != socket.IPPROTO_UDP:
        return None
    if int.from_bytes(protocol[_CTA_PROTO_DST_PORT], "big") not in ports:
        return None
    reply = dict(_attributes(dict(_attributes(found[_CTA_TUPLE_REPLY]))[_CTA_TUPLE_IP]))
    addresses = dict(_attributes(original[_CTA_TUPLE_IP]))
    return _Flow(
        attribute(_CTA_TUPLE_ORIG | _NESTED, found[_CTA_TUPLE_ORIG]),
        ip_address(next(addresses[kind] for kind in _CTA_IP_DESTINATION if kind in addresses)),
        ip_address(next(reply[kind] for kind in _CTA_IP_SOURCE if kind in reply)),
    )


def _delete(link: socket.socket, family: int, flow: _Flow) -> None:
    link.send(_message(_CT_DELETE, NLM_F_ACK, family, flow.original))
    for kind, payload in _parse(link.recv(1 << 16)):
        if kind == NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", payload)
            if code and -code != errno.ENOENT:  # it may have expired in between
                raise OSError(-code, "delete flow")


def _message(kind: int, flags: int, family: int, payload: bytes) -> bytes:
    return struct.pack("=IHHIIBBH", 20 + len(payload), kind, flags | NLM_F_REQUEST, 0, 0, family, 0, 0) + payload


def _parse(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if length < 16:
            return
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]
