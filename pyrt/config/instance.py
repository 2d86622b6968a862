"""A configuration for a second (third, ...) pyrt on one machine: nothing in it meets another instance's."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from pyrt.config.cni import Cni
from pyrt.config.schema import Cgroup, Config, Network, Node, Paths

_V4_BASE = int(IPv4Address("10.232.0.0"))
_V4_SLICES = 1 << 11
"""10.232.0.0/13, beside the default instance's 10.231.0.0/16, in slices of a /24 (253 pods)."""
_V6_BASE = int(IPv6Address("fd0c:5079:7275::"))


def for_instance(directory: Path, name: str) -> Config:
    """A configuration with every path below ``directory`` and every kernel-wide name and address made from ``name``.

    Two instances meet only if the hashes of ``directory`` and ``name`` do: one in 2048 for the addresses. Change
    single values with ``msgspec.structs.replace``.
    """
    seed = hashlib.sha256(f"{directory}\0{name}".encode()).digest()
    number = int.from_bytes(seed[:4], "big")
    piece = number % _V4_SLICES
    tag = seed[4:7].hex()
    safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())[:20].strip("-") or "instance"
    return Config(
        paths=Paths(
            root=directory / "lib", run=directory / "run", logs=directory / "logs", manifests=directory / "manifests"
        ),
        node=Node(name=safe),
        network=Network(
            ipv4_cidr=f"{IPv4Address(_V4_BASE + (piece << 8))}/24",
            ipv6_cidr=f"{IPv6Address(_V6_BASE + (number << 64))}/64",
            interface_prefix=f"t{tag}",
            nft_table=f"pyrt_{tag}",
        ),
        cni=Cni(conf_dir=directory / "cni", netns_dir=directory / "run" / "netns"),
        cgroup=Cgroup(driver="cgroupfs", parent=f"pyrt-{safe}-{tag}"),
    )
