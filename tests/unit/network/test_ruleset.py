from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from pyrt.config import for_instance
from pyrt.network import explain
from pyrt.network.ruleset import Element, Family, add_elements, delete_elements, elements, table
from pyrt.network.types import HostPort

V4, V6 = IPv4Address("10.231.0.2"), IPv6Address("fd0c::2")
FAMILIES = [
    Family(IPv4Network("10.231.0.0/16"), IPv4Address("10.231.0.1")),
    Family(IPv6Network("fd0c::/64"), IPv6Address("fd0c::1")),
]


def test_the_table() -> None:
    present = elements([HostPort("tcp", 80, 8)], V4, None)
    assert table("pyrt", "pyrt", FAMILIES[:1], masquerade=True, present=present) == (
        """\
add table inet pyrt
delete table inet pyrt
table inet pyrt {
	map ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 80 : 10.231.0.2 . 8 }; }
	map ports4_by_address { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
	set hairpin4 { type ipv4_addr . ipv4_addr; elements = { 10.231.0.2 . 10.231.0.2 }; }
	chain guard {
		type filter hook prerouting priority raw; policy accept;
		iifname "pyrt*" ip daddr 127.0.0.0/8 drop
		iifname "pyrt*" fib saddr . iif oif missing drop
	}
	chain hostports {
		dnat ip to ip daddr . meta l4proto . th dport map @ports4_by_address
		dnat ip to meta l4proto . th dport map @ports4
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local jump hostports
	}
	chain output {
		type nat hook output priority -100; policy accept;
		fib daddr type local jump hostports
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr . ip daddr @hairpin4 snat ip to 10.231.0.1
		ip saddr 127.0.0.0/8 ip daddr 10.231.0.0/16 snat ip to 10.231.0.1
		ip saddr 10.231.0.0/16 ip daddr != { 10.231.0.0/16, 224.0.0.0/4 } masquerade fully-random
	}
}
"""
    )


def test_both_families_and_no_masquerading() -> None:
    text = table("t", "p", FAMILIES, masquerade=False)
    assert "masquerade" not in text
    assert "dnat ip6 to meta l4proto . th dport map @ports6" in text
    assert "ip6 saddr . ip6 daddr @hairpin6 snat ip6 to fd0c::1" in text


def test_ports_on_every_address() -> None:
    assert elements([HostPort("udp", 53, 5353)], V4, V6) == (
        Element("ports4", "udp . 53", "10.231.0.2 . 5353"),
        Element("hairpin4", "10.231.0.2 . 10.231.0.2"),
        Element("ports6", "udp . 53", "fd0c::2 . 5353"),
        Element("hairpin6", "fd0c::2 . fd0c::2"),
    )


def test_ports_on_one_address_or_family() -> None:
    def where(host_ip: str) -> list[str]:
        return [f"{e.where} {e.key}" for e in elements([HostPort("tcp", 80, 80, host_ip)], V4, V6) if e.value]

    assert where("127.0.0.1") == ["ports4_by_address 127.0.0.1 . tcp . 80"]
    assert where("2001:db8::1") == ["ports6_by_address 2001:db8::1 . tcp . 80"]
    assert where("0.0.0.0") == ["ports4 tcp . 80"]
    assert where("::") == ["ports6 tcp . 80"]


def test_commands() -> None:
    added = elements([HostPort("tcp", 80, 8080, "::")], V4, V6)
    assert add_elements("t", added).splitlines() == [
        "add element inet t ports6 { tcp . 80 : fd0c::2 . 8080 }",
        "add element inet t hairpin6 { fd0c::2 . fd0c::2 }",
    ]
    assert delete_elements("t", added).splitlines() == [
        "delete element inet t ports6 { tcp . 80 }",
        "delete element inet t hairpin6 { fd0c::2 . fd0c::2 }",
    ]


def test_explain_lists_link_and_rules() -> None:
    lines = explain(for_instance(Path("/var/tmp/x"), "explain"), [HostPort("tcp", 80, 8080)])
    assert lines[0].startswith("ip -n POD link add eth0 index 2 ")
    assert lines[-1].startswith("nft add element inet pyrt_")
