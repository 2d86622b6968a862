"""Every message is decoded by pyroute2, an implementation that shares nothing with ours."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from pyrt.network import netlink
from pyrt.network.types import HOST_NETNS_FD, Attachment
from pyrt.network.veth import attachment, host_index, host_name

V4, V6 = IPv4Address("10.231.0.2"), IPv6Address("fd0c:5079:7274::2")
INDEX = 0x40000000 | int(V4)
PARSERS = {
    netlink.RTM_NEWLINK: ifinfmsg,
    netlink.RTM_GETLINK: ifinfmsg,
    netlink.RTM_NEWADDR: ifaddrmsg,
    netlink.RTM_NEWROUTE: rtmsg,
    netlink.RTM_NEWNEIGH: ndmsg,
}


def make(**changes: Any) -> Attachment:
    return attachment(**{"name": "pyrt0123456789a", "mtu": 1500, "ipv4": V4, "ipv6": V6, **changes})


def decode(data: bytes) -> tuple[int, Any]:
    length, kind, flags, _, _ = struct.unpack_from("=IHHII", data)
    assert length == len(data)
    assert length % 4 == 0
    assert flags & netlink.NLM_F_REQUEST
    assert flags & netlink.NLM_F_ACK
    message = PARSERS[kind](data)
    message.decode()
    return kind, message


def attributes(message: Any) -> dict[str, Any]:
    return dict(message["attrs"])


def test_the_pair() -> None:
    _, message = decode(make().pod_messages[0])
    top = attributes(message)
    assert message["index"] == 2
    assert (top["IFLA_IFNAME"], top["IFLA_MTU"], top["IFLA_ADDRESS"]) == ("eth0", 1500, "0a:58:4a:e7:00:02")
    info = attributes(top["IFLA_LINKINFO"])
    assert info["IFLA_INFO_KIND"] == "veth"
    peer = attributes(info["IFLA_INFO_DATA"])["VETH_INFO_PEER"]
    assert peer["index"] == INDEX
    assert attributes(peer) == {
        "IFLA_IFNAME": "pyrt0123456789a",
        "IFLA_ADDRESS": "ee:ee:ee:ee:ee:ee",
        "IFLA_MTU": 1500,
        "IFLA_NET_NS_FD": HOST_NETNS_FD,
    }


def test_the_order_and_kinds_of_messages() -> None:
    made = make()
    link, address, route, neighbour = (
        netlink.RTM_NEWLINK,
        netlink.RTM_NEWADDR,
        netlink.RTM_NEWROUTE,
        netlink.RTM_NEWNEIGH,
    )
    pod = [decode(data)[0] for data in made.pod_messages]
    host = [decode(data)[0] for data in made.host_messages]
    assert pod == [link, link, link, address, neighbour, route, address, route, neighbour, route]
    assert host == [link, link, route, neighbour, route, neighbour]
    assert [decode(data)[0] for data in made.final_messages] == [netlink.RTM_GETLINK]
    assert len(made.description) == len(pod) + len(host) + 1


def test_links_go_up_without_generating_addresses() -> None:
    made = make()
    lo, eth0 = (decode(data)[1] for data in made.pod_messages[1:3])
    assert (lo["index"], lo["flags"], lo["change"]) == (1, 1, 1)
    assert (eth0["index"], eth0["flags"], eth0["change"]) == (2, 1, 1)
    assert _address_generation(eth0) == 1
    options, up = (decode(data)[1] for data in made.host_messages[:2])
    assert (options["index"], options["flags"]) == (INDEX, 0)
    assert _address_generation(options) == 1
    assert (up["index"], up["flags"]) == (INDEX, 1)


def _address_generation(message: Any) -> int:
    family = attributes(attributes(message)["IFLA_AF_SPEC"])["AF_INET6"]
    return int(attributes(family)["IFLA_INET6_ADDR_GEN_MODE"])


@pytest.mark.parametrize("allowed", [False, True])
def test_options_of_the_host_side(allowed: bool) -> None:
    # IFLA_INET_CONF as a request is a list of attributes numbered as in linux/ip.h; pyroute2 reads only the kernel's
    # own form of it, a vector.
    message = make(route_localnet=allowed).host_messages[0]
    conf = struct.pack("=HHI", 8, netlink.IPV4_DEVCONF_RP_FILTER, 1)
    if allowed:
        conf += struct.pack("=HHI", 8, netlink.IPV4_DEVCONF_ROUTE_LOCALNET, 1)
    assert struct.pack("=HH", 4 + len(conf), netlink.IFLA_INET_CONF) + conf in message
    assert (struct.pack("=HHI", 8, netlink.IPV4_DEVCONF_ROUTE_LOCALNET, 1) in message) is allowed


@pytest.mark.parametrize(("first", "ip", "gateway"), [(3, V4, "169.254.1.1"), (6, V6, "fe80::1")])
def test_what_the_pod_has(first: int, ip: IPv4Address | IPv6Address, gateway: str) -> None:
    messages = [decode(data)[1] for data in make().pod_messages[first:]]
    address = messages.pop(0)
    if ip.version == 6:
        local = messages.pop(0)
        assert (local["type"], local["table"], attributes(local)["RTA_DST"]) == (2, 255, str(ip))
    neighbour, route = messages[:2]
    assert (address["index"], address["prefixlen"]) == (2, ip.max_prefixlen)
    assert attributes(address)["IFA_ADDRESS"] == str(ip)
    if ip.version == 6:
        assert attributes(address)["IFA_FLAGS"] == netlink.IFA_F_NODAD | netlink.IFA_F_NOPREFIXROUTE
    assert (neighbour["ifindex"], neighbour["state"]) == (2, netlink.NUD_PERMANENT)
    assert attributes(neighbour)["NDA_DST"] == gateway
    assert attributes(neighbour)["NDA_LLADDR"] == "ee:ee:ee:ee:ee:ee"
    assert (route["dst_len"], route["flags"]) == (0, netlink.RTNH_F_ONLINK)
    assert (attributes(route)["RTA_GATEWAY"], attributes(route)["RTA_OIF"]) == (gateway, 2)


@pytest.mark.parametrize(("first", "ip"), [(2, V4), (4, V6)])
def test_what_the_host_has(first: int, ip: IPv4Address | IPv6Address) -> None:
    route, neighbour = (decode(data)[1] for data in make().host_messages[first : first + 2])
    assert (route["dst_len"], attributes(route)["RTA_DST"]) == (ip.max_prefixlen, str(ip))
    assert attributes(route)["RTA_OIF"] == INDEX
    assert (neighbour["ifindex"], neighbour["state"]) == (INDEX, netlink.NUD_PERMANENT)
    assert (attributes(neighbour)["NDA_DST"], attributes(neighbour)["NDA_LLADDR"]) == (str(ip), "0a:58:4a:e7:00:02")


def test_one_family_alone() -> None:
    assert len(make(ipv6=None).pod_messages) == 6
    assert len(make(ipv4=None).host_messages) == 4
    assert make(ipv6=None).addresses == ("10.231.0.2",)
    without = make(ipv6=None, kernel_has_ipv6=False)
    assert "IFLA_AF_SPEC" not in attributes(decode(without.pod_messages[2])[1])


def test_names_fit_the_kernel() -> None:
    assert host_name("pyrt", "0123456789abcdef") == "pyrt0123456789a"
    assert len(host_name("p", "0" * 64)) == 15


def test_an_index_needs_an_address() -> None:
    with pytest.raises(ValueError, match="without any address"):
        host_index(None, None)


def test_it_reads_as_commands() -> None:
    assert make(route_localnet=True).description == (
        "ip -n POD link add eth0 index 2 address 0a:58:4a:e7:00:02 mtu 1500 type veth "
        "peer name pyrt0123456789a index 1256652802 address ee:ee:ee:ee:ee:ee mtu 1500 netns HOST",
        "ip -n POD link set lo up",
        "ip -n POD link set eth0 up addrgenmode none",
        "ip -n POD address add 10.231.0.2/32 dev eth0",
        "ip -n POD neigh add 169.254.1.1 lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent",
        "ip -n POD -4 route add default via 169.254.1.1 dev eth0 onlink",
        "ip -n POD address add fd0c:5079:7274::2/128 dev eth0 nodad noprefixroute",
        "ip -n POD -6 route add local fd0c:5079:7274::2 dev lo",
        "ip -n POD neigh add fe80::1 lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent",
        "ip -n POD -6 route add default via fe80::1 dev eth0 onlink",
        "ip link set pyrt0123456789a addrgenmode none; sysctl net.ipv4.conf.pyrt0123456789a.rp_filter=1 "
        "net.ipv4.conf.pyrt0123456789a.route_localnet=1",
        "ip link set pyrt0123456789a up",
        "ip -4 route replace 10.231.0.2 dev pyrt0123456789a scope link",
        "ip neigh replace 10.231.0.2 lladdr 0a:58:4a:e7:00:02 dev pyrt0123456789a nud permanent",
        "ip -6 route replace fd0c:5079:7274::2 dev pyrt0123456789a scope link",
        "ip neigh replace fd0c:5079:7274::2 lladdr 0a:58:4a:e7:00:02 dev pyrt0123456789a nud permanent",
        "ip -n POD link show eth0",
    )
