"""What would be done for a pod's network, in the words of ip(8) and nft(8), without doing it."""

from __future__ import annotations

from collections.abc import Iterable

from pyrt.config import Config
from pyrt.network import hostinfo, ruleset
from pyrt.network.ipam import Pool
from pyrt.network.types import HostPort
from pyrt.network.veth import attachment, host_name

_EXAMPLE_SLOT = 0


def explain(config: Config, host_ports: Iterable[HostPort] = (), sandbox_id: str = "0" * 64) -> tuple[str, ...]:
    """The commands, one a line, with the first addresses of the ranges for example. Needs no privilege."""
    network = config.network
    pool = Pool(network.ipv4, network.ipv6)
    ipv4, ipv6 = pool.addresses(_EXAMPLE_SLOT)
    ports = tuple(host_ports)
    link = attachment(
        name=host_name(network.interface_prefix, sandbox_id),
        mtu=network.mtu or hostinfo.default_mtu(),
        ipv4=ipv4,
        ipv6=ipv6,
        route_localnet=bool(ports),
    )
    commands = ruleset.add_elements(network.nft_table, ruleset.elements(ports, ipv4, ipv6))
    return (*link.description, *(f"nft {line}" for line in commands.splitlines()))
