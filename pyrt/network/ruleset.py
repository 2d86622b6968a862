"""The nftables rules, as text: what is set up once, and what one pod's host ports add. Pure.

One table of the inet family, so that taking everything back is one statement. Nothing in it costs per pod: host
ports are elements of maps, looked up by (address, protocol, port) and (protocol, port).

What there is, and why:

``guard``: a pod may send only from its own address (``fib saddr . iif``: the route back must be its link), and never
to 127.0.0.0/8 of the host, which route_localnet on its link would let through (CVE-2020-8558).

``hostports``: packets to an address of this host, from outside, from pods and from the host itself, go to the pod that
published the port.

``postrouting``: three cases in which the source must change as well. A pod that reaches itself through its host port
would get packets from its own address, and drop them. The host's 127.0.0.1 means nothing in a pod. And to the outside
pods' addresses mean nothing at all. Random ports on masquerading avoid the collision of two packets that get the same
port at the same instant, which the kernel answers by dropping one (DNS queries know it well).

No rule accepts forwarded packets: an accept here does not bind other tables. Where a firewall of the host drops by
default, it must let the pods' range pass (``pyrt system check`` finds such chains).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pyrt.network.hostports import host_address, versions
from pyrt.network.types import HostPort


@dataclass(frozen=True, slots=True)
class Family:
    """One IP version of the pods' network."""

    network: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.network.version

    @property
    def keyword(self) -> str:
        """What nft calls it."""
        return "ip" if self.version == 4 else "ip6"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of one map or set: ``value`` is empty for a set."""

    where: str
    key: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.key} : {self.value}" if self.value else self.key


_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


def elements(ports: Iterable[HostPort], ipv4: IPv4Address | None, ipv6: IPv6Address | None) -> tuple[Element, ...]:
    """What publishing ``ports`` of the pod with these addresses adds to the table."""
    made: list[Element] = []
    for ip in (ipv4, ipv6):
        if ip is None:
            continue
        published = [port for port in ports if ip.version in versions(port)]
        for port in published:
            address = host_address(port)
            key = f"{port.protocol} . {port.host_port}"
            target = f"{ip} . {port.container_port}"
            if address is None:
                made.append(Element(f"ports{ip.version}", key, target))
            else:
                made.append(Element(f"ports{ip.version}_by_address", f"{address} . {key}", target))
        if published:
            made.append(Element(f"hairpin{ip.version}", f"{ip} . {ip}"))
    return tuple(made)


def add_elements(table: str, added: Iterable[Element]) -> str:
    """The commands that add them."""
    return "".join(f"add element inet {table} {element.where} {{ {element} }}\n" for element in added)


def delete_elements(table: str, removed: Iterable[Element]) -> str:
    """The commands that take them back."""
    return "".join(f"delete element inet {table} {element.where} {{ {element.key} }}\n" for element in removed)


def remove_table(table: str) -> str:
    """The commands that remove everything, whether it is there or not."""
    return f"add table inet {table}\ndelete table inet {table}\n"


def table(
    name: str, prefix: str, families: Iterable[Family], *, masquerade: bool, present: Iterable[Element] = ()
) -> str:
    """The commands that make the table anew, with ``present`` in its maps, in one transaction."""
    present = tuple(present)
    declared: list[str] = []
    jumps: list[str] = []
    sources: list[str] = []
    for family in families:
        version, keyword = family.version, family.keyword
        kind = f"ipv{version}_addr"
        declared += [
            _collection("map", f"ports{version}", f"inet_proto . inet_service : {kind} . inet_service", present),
            _collection(
                "map",
                f"ports{version}_by_address",
                f"{kind} . inet_proto . inet_service : {kind} . inet_service",
                present,
            ),
            _collection("set", f"hairpin{version}", f"{kind} . {kind}", present),
        ]
        jumps += [
            f"dnat {keyword} to {keyword} daddr . meta l4proto . th dport map @ports{version}_by_address",
            f"dnat {keyword} to meta l4proto . th dport map @ports{version}",
        ]
        sources.append(f"{keyword} saddr . {keyword} daddr @hairpin{version} snat {keyword} to {family.gateway}")
        if version == 4:
            sources.append(f"ip saddr 127.0.0.0/8 ip daddr {family.network} snat ip to {family.gateway}")
        if masquerade:
            outside = f"{keyword} daddr != {{ {family.network}, {_MULTICAST[version]} }}"
            sources.append(f"{keyword} saddr {family.network} {outside} masquerade fully-random")
    chains = [
        _chain(
            "guard",
            "type filter hook prerouting priority raw; policy accept;",
            [
                f'iifname "{prefix}*" ip daddr 127.0.0.0/8 drop',
                f'iifname "{prefix}*" fib saddr . iif oif missing drop',
            ],
        ),
        _chain("hostports", "", jumps),
        _chain(
            "prerouting",
            "type nat hook prerouting priority dstnat; policy accept;",
            ["fib daddr type local jump hostports"],
        ),
        # nft has no name for this priority in the output hook; -100 is NF_IP_PRI_NAT_DST.
        _chain("output", "type nat hook output priority -100; policy accept;", ["fib daddr type local jump hostports"]),
        _chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", sources),
    ]
    body = "\n".join((*declared, *chains))
    return f"{remove_table(name)}table inet {name} {{\n{body}\n}}\n"


def _collection(kind: str, name: str, types: str, present: tuple[Element, ...]) -> str:
    members = ", ".join(str(element) for element in present if element.where == name)
    filled = f" elements = {{ {members} }};" if members else ""
    return f"\t{kind} {name} {{ type {types};{filled} }}"


def _chain(name: str, hook: str, rules: list[str]) -> str:
    lines = "".join(f"\t\t{line}\n" for line in ([hook, *rules] if hook else rules))
    return f"\tchain {name} {{\n{lines}\t}}"
