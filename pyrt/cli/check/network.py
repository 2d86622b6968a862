"""The network: nftables with NAT, veth, forwarding, IPv6."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator

from pyrt.cli.check.model import CLONE_NEWNET, Finding, Status, finding, in_child, read

RULES = """
table {family} pyrt_check {{
  chain guard {{ type filter hook prerouting priority raw; fib saddr . iif oif missing drop; }}
  map ports {{ type inet_service : verdict; }}
  chain out {{ type nat hook postrouting priority srcnat; masquerade; }}
}}
"""
AS_ROOT = "run as root to try it"


def nft() -> Iterator[Finding]:
    """Load a table with a NAT chain and a map in a network namespace of its own."""
    program = shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        yield Finding("nftables", Status.MISSING, "the program nft is not installed", "apt-get install nftables")
        return
    if os.geteuid() != 0:
        yield Finding("nftables", Status.UNKNOWN, AS_ROOT)
        return
    problems = {
        family: in_child(functools.partial(_load, program, family), namespaces=CLONE_NEWNET)
        for family in ("inet", "ip6")
    }
    yield finding(
        "nftables",
        not problems["inet"],
        problems["inet"] or "NAT works",
        "modprobe -a nft_masq nft_nat nft_fib_inet, or a kernel with CONFIG_NF_TABLES_INET and CONFIG_NFT_MASQ",
    )
    if problems["ip6"] and not problems["inet"]:
        yield Finding("nftables IPv6", Status.WARNING, problems["ip6"], "a kernel with CONFIG_NF_NAT for IPv6")


def _load(program: str, family: str) -> None:
    done = subprocess.run(
        [program, "-f", "-"], input=RULES.format(family=family), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OSError(0, (done.stderr.strip().splitlines() or ["nft failed"])[0])


def links() -> Iterator[Finding]:
    """A veth pair, in a network namespace of its own."""
    if os.geteuid() != 0:
        yield Finding("veth", Status.UNKNOWN, AS_ROOT)
    else:
        problem = in_child(_veth, namespaces=CLONE_NEWNET)
        yield finding("veth", not problem, problem or "works", "modprobe veth, or a kernel with CONFIG_VETH")
    yield finding(
        "IPv6",
        os.path.exists("/proc/sys/net/ipv6/conf/all"),
        "there" if os.path.exists("/proc/net/if_inet6") else "switched off",
        'boot without ipv6.disable=1, or set network.ipv6_cidr = "" to do without it',
        otherwise=Status.WARNING,
    )


def _veth() -> None:
    """RTM_NEWLINK of kind veth: rtnetlink(7), struct nlmsghdr and ifinfomsg."""

    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    newlink, request_ack_create, ifname, linkinfo, info_kind = 16, 0x1 | 0x4 | 0x400, 3, 18, 1
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attribute(ifname, b"pyrtcheck0\0")
    body += attribute(linkinfo, attribute(info_kind, b"veth"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(body), newlink, request_ack_create, 1, 0) + body)
        answer = netlink.recv(8192)
    number = -struct.unpack_from("=i", answer, 16)[0]
    if number:
        raise OSError(number, os.strerror(number), "create a veth pair")


def forwarding() -> Iterator[Finding]:
    """Packets between pods and to the outside; the daemon switches it on where it may."""
    off = [
        name
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
        if read(f"/proc/sys/{name.replace('.', '/')}") == "0"
    ]
    writable = os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK)
    settings = " ".join(f"{name}=1" for name in off)
    if not off:
        yield Finding("forwarding", Status.OK, "on")
    elif writable:
        yield Finding("forwarding", Status.OK, f"off ({', '.join(off)}); the daemon switches it on")
    else:
        yield Finding(
            "forwarding", Status.WARNING, f"off, and /proc/sys cannot be written: {settings}", f"sysctl -w {settings}"
        )
