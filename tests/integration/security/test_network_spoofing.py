"""What a pod with CAP_NET_RAW, as every pod has it by default, can make the host and other pods believe."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from pyrt.ids import SandboxId
from pyrt.images.types import Image
from pyrt.runtime.config import ContainerSecurity, NamespaceMode
from tests.integration.runtime.conftest import Host

EVERYONE = bytes.fromhex("ffffffffffff")
ALL_NODES = bytes.fromhex("333300000001")
ATTACKER = bytes.fromhex("020000000bad")


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def icmp6(kind: int, body: bytes, source: str, destination: str = "ff02::1") -> bytes:
    """An Ethernet frame with an ICMPv6 message (RFC 4861: hop limit 255)."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    addresses = IPv6Address(source).packed + IPv6Address(destination).packed
    total = checksum(addresses + struct.pack("!II", len(message), 58) + message)
    message = struct.pack("!BBH", kind, 0, total) + body
    header = struct.pack("!IHBB", 0x60000000, len(message), 58, 255) + addresses
    return ALL_NODES + ATTACKER + b"\x86\xdd" + header + message


def router_advertisement(source: str) -> bytes:
    """A default router of high preference, with a prefix for autoconfiguration and an MTU."""
    router = struct.pack("!BBHII", 64, 0x08, 1800, 0, 0)
    prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 3600, 3600, 0, IPv6Address("2001:db8:bad::").packed)
    return icmp6(134, router + prefix + b"\x01\x01" + ATTACKER, source)


def neighbour_advertisement(target: str, source: str) -> bytes:
    """Override, unsolicited: ``target`` has the attacker's hardware address."""
    return icmp6(136, struct.pack("!I16s", 0x20000000, IPv6Address(target).packed) + b"\x02\x01" + ATTACKER, source)


def arp_reply(address: str) -> bytes:
    """``address`` has the attacker's hardware address."""
    packed = IPv4Address(address).packed
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + ATTACKER + packed + EVERYONE + packed
    return EVERYONE + ATTACKER + b"\x08\x06" + body


def ping(source: str, destination: str) -> bytes:
    """An ICMPv4 echo request from whoever it is."""
    message = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
    message = struct.pack("!BBHHH", 8, 0, checksum(message), 1, 1)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 1, 0, 64, 1, 0)
    header += IPv4Address(source).packed + IPv4Address(destination).packed
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return bytes.fromhex("eeeeeeeeeeee") + ATTACKER + b"\x08\x00" + header + message


def view(host: Host) -> tuple[object, ...]:
    """What the host believes of addresses, routes and neighbours on the instance's links."""
    prefix = host.config.network.interface_prefix
    found: list[object] = []
    for what in (["addr"], ["route", "show", "table", "all"], ["neigh"], ["-6", "route", "show", "table", "all"]):
        listed = json.loads(subprocess.run(["ip", "-j", *what], capture_output=True, check=True).stdout or b"[]")
        # Without nftables' guard the host may note the link-local address of whoever advertises itself, on that very
        # link, where it sends to none.
        mine = [
            entry
            for entry in listed
            if str(entry.get("dev") or entry.get("ifname", "")).startswith(prefix)
            and not (what == ["neigh"] and entry["dst"].startswith("fe80:"))
        ]
        # In order: the neighbours are listed as their hash table, which grows, has them.
        kept = ("dst", "lladdr", "gateway", "addr_info", "state")
        found.append(sorted(({k: v for k, v in entry.items() if k in kept} for entry in mine), key=str))
    routes = subprocess.run(["ip", "-6", "route", "show", "default"], capture_output=True, check=True).stdout
    return (*found, routes, subprocess.run(["ip", "route", "show", "default"], capture_output=True).stdout)


def addresses(host: Host, sandbox: SandboxId) -> tuple[str, str]:
    four, six = host.runtime.sandbox_status(sandbox).addresses
    return four, six


@pytest.mark.core
async def test_a_pod_is_no_router_and_nobody_elses_neighbour(host: Host, armed: Image) -> None:
    """CNI, Docker and Kubernetes CVE-2020-10749 and CVE-2020-13401 (router advertisements), ARP and NDP spoofing: the
    host takes no route, address or neighbour from a pod.
    """
    victim = await host.runtime.run_sandbox(host.sandbox())
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(sandbox.id, "sleep", "1000", image=armed)
    (four, six), (_, own) = addresses(host, victim.id), addresses(host, sandbox.id)
    before = view(host)
    frames = [router_advertisement(source) for source in ("fe80::bad", own)]
    frames += [
        neighbour_advertisement(target, source) for target in (six, own, "fe80::1") for source in (own, "fe80::bad")
    ]
    frames += [arp_reply(address) for address in (four, "169.254.1.1", "127.0.0.1")]
    for data in frames:
        assert await host.inside(container, "attack", "frame", "eth0", data.hex()) == "frame ok"
    assert view(host) == before


async def test_a_pod_cannot_speak_for_another(host: Host, armed: Image) -> None:
    """Source addresses that are not the pod's own are dropped where they come in: other pods', the host's, loopback
    (CVE-2020-8558), the outside's.
    """
    if host.runtime._core.network.warnings:
        pytest.skip("this kernel has not all of nftables")
    victim = await host.runtime.run_sandbox(host.sandbox())
    watcher = await host.start(victim.id, "sleep", "1000", image=armed)
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(sandbox.id, "sleep", "1000", image=armed)
    (target, _), (own, _) = addresses(host, victim.id), addresses(host, sandbox.id)
    # InEchos of the second line that begins with Icmp: (proc_net_snmp(5)).
    counted = "awk '$1 == \"Icmp:\" && n++ {print $10}' /proc/net/snmp"

    async def received() -> int:
        return int(await host.inside(watcher, "sh", "-c", counted))

    before = await received()
    for source in (target, "127.0.0.1", "169.254.1.1", "192.0.2.1", "0.0.0.0", "255.255.255.255"):
        await host.inside(container, "attack", "frame", "eth0", ping(source, target).hex())
    await host.inside(container, "attack", "frame", "eth0", ping(own, "127.0.0.1").hex())
    # One that is genuine, on the same link: when it has come, the others would have.
    await host.inside(container, "attack", "frame", "eth0", ping(own, target).hex())
    deadline = time.monotonic() + 10
    while await received() == before:
        assert time.monotonic() < deadline, "the genuine packet has not come"
    assert await received() == before + 1


async def test_no_control_socket_is_reachable_by_name(host: Host, armed: Image) -> None:
    """containerd CVE-2020-15257: abstract unix sockets belong to the network namespace, so a pod with hostNetwork
    could connect to the shim's. Ours have paths, in directories only root may enter.
    """
    output = await host.prints("cat", "/proc/net/unix", image=armed, sandbox={"network": NamespaceMode.NODE})
    names = [line.split()[-1] for line in output.splitlines()]
    assert not [name for name in names if name.startswith("@") and "pyrt" in name]
    run = host.config.paths.run
    assert Path(run, "pods").stat().st_mode & 0o077 == 0


async def test_raw_sockets_can_be_taken_away(host: Host, armed: Image) -> None:
    """Who needs none of this drops NET_RAW: then there is no packet to forge at all."""
    security = ContainerSecurity(drop_capabilities=("NET_RAW",))
    command = ("attack", "frame", "eth0", arp_reply("169.254.1.1").hex())
    assert await host.prints(*command, image=armed, security=security) == "frame EPERM"
