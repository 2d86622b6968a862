"""A pod's link as messages: a routed veth pair, no bridge.

The pod has ``eth0`` with a /32 and a /128 and a default route per family by a gateway that exists only as a permanent
neighbour entry (169.254.1.1, fe80::1: the same in every pod, assigned nowhere). The host has one route and one
permanent neighbour entry per address. Interface indexes and hardware addresses are chosen here, so no message waits
for the answer to another; nobody ever asks for a hardware address, and no address is ever tentative.

Link-local IPv6 addresses are switched off on both sides (addrgenmode none): they would bring duplicate address
detection, router solicitations and multicast reports to a link that has nobody to hear them. The order matters for
this: the pod's side goes up first, without carrier, in the message that sets the mode (the kernel handles the flags
before the mode, but generates an address only on a link with carrier); the host's side gets its mode before it goes
up.

That order has a price: a link that gets its carrier after it went up sends nothing (its queue is still the no-op one)
until the kernel's link watch work has run, some tens of microseconds later, more on a busy machine; a SYN lost then
costs a second. So the last message asks for the pod's link: since Linux 6.8 (net/core/rtnetlink.c, rtnl_getlink) that
runs the link watch first. Of 100 pods that connected at once, 4 lost their SYN without it, none with it. On older
kernels it changes nothing, and the start of the container's process is the time that the work has.

The kernel has the same habit with an IPv6 address: the route that makes a packet to it local is left to a work item,
even for an address without duplicate detection (net/ipv6/addrconf.c, addrconf_dad_work), and an answer that comes
before it is dropped. So that route is given explicitly; the kernel's own takes precedence as soon as it is there.
"""

from __future__ import annotations

import zlib
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6

from pyrt.network import netlink as nl
from pyrt.network.types import HOST_NETNS_FD, Attachment

GATEWAY_V4 = IPv4Address("169.254.1.1")
GATEWAY_V6 = IPv6Address("fe80::1")
POD_INTERFACE = "eth0"
POD_INDEX = 2
"""The first index after ``lo`` in a fresh namespace."""
HOST_MAC = bytes.fromhex("eeeeeeeeeeee")
"""Of the host's side of every pair. A locally administered unicast address; each pair is a link of its own, so it need
not be unique, and pods' entries for the gateways are all the same."""
_POD_MAC_PREFIX = bytes.fromhex("0a58")
_NAME_BYTES = 15
"""IFNAMSIZ less the terminating zero (linux/if.h)."""
_IFF_UP = 1


def host_index(ipv4: IPv4Address | None, ipv6: IPv6Address | None) -> int:
    """The index of the host's side of the pod with these addresses: 2**29 and above, where the kernel, which counts up
    from 1, does not come.
    """
    if ipv4 is not None:
        return 0x40000000 | (int(ipv4) & 0x3FFFFFFF)
    if ipv6 is None:
        raise ValueError("a pod without any address has no link")
    packed = ipv6.packed
    # Two instances without IPv4 differ in the network; pods of one instance in the low bits.
    return 0x20000000 | ((zlib.crc32(packed[:8]) + int.from_bytes(packed[8:], "big")) & 0x1FFFFFFF)


def host_name(prefix: str, sandbox_id: str) -> str:
    """The name of the host's side: the configured prefix and as much of the sandbox's id as fits."""
    return prefix + sandbox_id[: _NAME_BYTES - len(prefix)]


def pod_mac(index: int) -> bytes:
    """The hardware address of the pod whose host side has ``index``."""
    return _POD_MAC_PREFIX + index.to_bytes(4, "big")


def _af_spec(family: int, payload: bytes) -> bytes:
    return nl.attribute(nl.IFLA_AF_SPEC, nl.attribute(family, payload))


_NO_ADDRESS_GENERATION = nl.attribute(
    AF_INET6, nl.attribute(nl.IFLA_INET6_ADDR_GEN_MODE, bytes([nl.IN6_ADDR_GEN_MODE_NONE]))
)
_LO_UP = (nl.set_link(nl.LOOPBACK_INDEX, flags=_IFF_UP), "ip -n POD link set lo up")
_POD_UP_V4 = (nl.set_link(POD_INDEX, flags=_IFF_UP), f"ip -n POD link set {POD_INTERFACE} up")
_POD_UP = (
    nl.set_link(POD_INDEX, flags=_IFF_UP, attributes=nl.attribute(nl.IFLA_AF_SPEC, _NO_ADDRESS_GENERATION)),
    f"ip -n POD link set {POD_INTERFACE} up addrgenmode none",
)
_SYNC = (nl.get_link(POD_INDEX), f"ip -n POD link show {POD_INTERFACE}")
_KIND_VETH = nl.attribute(nl.IFLA_INFO_KIND, b"veth")
_POD_NAME = nl.attribute(nl.IFLA_IFNAME, POD_INTERFACE.encode() + b"\0")
_HOST_ADDRESS = nl.attribute(nl.IFLA_ADDRESS, HOST_MAC)
_HOST_NETNS = nl.attribute(nl.IFLA_NET_NS_FD, nl.u32(HOST_NETNS_FD))


def _mac_text(mac: bytes) -> str:
    return mac.hex(":")


def _gateway(gateway: IPv4Address | IPv6Address) -> tuple[tuple[bytes, str], tuple[bytes, str]]:
    family = f"-{gateway.version}"
    return (
        (
            nl.neighbour(POD_INDEX, gateway.packed, HOST_MAC),
            f"ip -n POD neigh add {gateway} lladdr {_mac_text(HOST_MAC)} dev {POD_INTERFACE} nud permanent",
        ),
        (
            nl.default_route(POD_INDEX, gateway.packed),
            f"ip -n POD {family} route add default via {gateway} dev {POD_INTERFACE} onlink",
        ),
    )


_GATEWAYS = {4: _gateway(GATEWAY_V4), 6: _gateway(GATEWAY_V6)}


def _pair(name: str, index: int, mac: bytes, mtu: int) -> tuple[bytes, str]:
    mtu_attribute = nl.attribute(nl.IFLA_MTU, nl.u32(mtu))
    peer = (
        nl.link_header(index)
        + nl.attribute(nl.IFLA_IFNAME, name.encode() + b"\0")
        + _HOST_ADDRESS
        + mtu_attribute
        + _HOST_NETNS
    )
    data = nl.attribute(nl.IFLA_INFO_DATA, nl.attribute(nl.VETH_INFO_PEER, peer))
    payload = (
        nl.link_header(POD_INDEX)
        + _POD_NAME
        + nl.attribute(nl.IFLA_ADDRESS, mac)
        + mtu_attribute
        + nl.attribute(nl.IFLA_LINKINFO, _KIND_VETH + data)
    )
    words = (
        f"ip -n POD link add {POD_INTERFACE} index {POD_INDEX} address {_mac_text(mac)} mtu {mtu} type veth "
        f"peer name {name} index {index} address {_mac_text(HOST_MAC)} mtu {mtu} netns HOST"
    )
    return nl.message(nl.RTM_NEWLINK, nl.NLM_F_CREATE | nl.NLM_F_EXCL, payload), words


def host_options(index: int, *, ipv6: bool, route_localnet: bool) -> bytes:
    """The message that sets the host's side up before it carries anything.

    Strict reverse path filtering keeps a pod from using another's IPv4 address. ``route_localnet`` lets answers to
    127.0.0.1:<host port> through this interface only (IPv4 has no other way to translate a loopback source; see
    pyrt.network.ruleset for what keeps the pod from abusing it).
    """
    options = nl.attribute(nl.IPV4_DEVCONF_RP_FILTER, nl.u32(1))
    if route_localnet:
        options += nl.attribute(nl.IPV4_DEVCONF_ROUTE_LOCALNET, nl.u32(1))
    spec = nl.attribute(AF_INET, nl.attribute(nl.IFLA_INET_CONF, options))
    if ipv6:
        spec += _NO_ADDRESS_GENERATION
    return nl.set_link(index, attributes=nl.attribute(nl.IFLA_AF_SPEC, spec))


def loopback_only() -> Attachment:
    """A namespace in which others make the links."""
    data, words = _LO_UP
    return Attachment(
        host_interface="", mtu=0, ipv4=None, ipv6=None, pod_messages=(data,), host_messages=(), description=(words,)
    )


def attachment(
    *,
    name: str,
    mtu: int,
    ipv4: IPv4Address | None,
    ipv6: IPv6Address | None,
    kernel_has_ipv6: bool = True,
    route_localnet: bool = False,
) -> Attachment:
    """Everything that makes one pod's link. Pure; 70 microseconds.

    ``kernel_has_ipv6`` is about the kernel, not the pod: without the protocol there is no address generation to
    switch off.
    """
    index = host_index(ipv4, ipv6)
    mac = pod_mac(index)
    pod = [_pair(name, index, mac, mtu), _LO_UP, _POD_UP if kernel_has_ipv6 else _POD_UP_V4]
    words = f"ip link set {name} addrgenmode none; sysctl net.ipv4.conf.{name}.rp_filter=1"
    if route_localnet:
        words += f" net.ipv4.conf.{name}.route_localnet=1"
    host = [
        (host_options(index, ipv6=kernel_has_ipv6, route_localnet=route_localnet), words),
        (nl.set_link(index, flags=_IFF_UP), f"ip link set {name} up"),
    ]
    for ip in (ipv4, ipv6):
        if ip is None:
            continue
        bits = ip.max_prefixlen
        packed = ip.packed
        text = str(ip)  # once: of an IPv6 address it takes seven microseconds
        no_dad = " nodad noprefixroute" if ip.version == 6 else ""
        pod.append(
            (
                nl.address(nl.RTM_NEWADDR, POD_INDEX, packed),
                f"ip -n POD address add {text}/{bits} dev {POD_INTERFACE}{no_dad}",
            )
        )
        if ip.version == 6:
            pod.append((nl.local_route(packed), f"ip -n POD -6 route add local {text} dev lo"))
        pod.extend(_GATEWAYS[ip.version])
        host.append((nl.host_route(index, packed), f"ip -{ip.version} route replace {text} dev {name} scope link"))
        host.append(
            (
                nl.neighbour(index, packed, mac),
                f"ip neigh replace {text} lladdr {_mac_text(mac)} dev {name} nud permanent",
            )
        )
    return Attachment(
        host_interface=name,
        mtu=mtu,
        ipv4=ipv4,
        ipv6=ipv6,
        pod_messages=tuple(data for data, _ in pod),
        host_messages=tuple(data for data, _ in host),
        final_messages=(_SYNC[0],),
        description=tuple(words for _, words in (*pod, *host, _SYNC)),
    )
