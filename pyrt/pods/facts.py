"""What pods need to know of the machine and the configuration, gathered once."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyrt.config import Config
from pyrt.launch.features import probe
from pyrt.pods.allocation import UNLIMITED, Allocatable, Demand
from pyrt.pods.capacity import allocatable, machine, resource_list
from pyrt.pods.dns import ClusterDns, read_resolv_conf
from pyrt.pods.user_namespaces import IdRanges
from pyrt.runtime.config import DnsConfig


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The node as its pods see it."""

    name: str
    addresses: tuple[str, ...]
    """Of the host: ``status.hostIPs``, the primary one first."""
    cluster: ClusterDns
    host_dns: DnsConfig
    host_hosts: str
    """The text of the host's /etc/hosts."""
    logs: Path
    """``/var/log/pods``."""
    pods: Path
    """``/var/lib/pyrt/pods``: a directory a pod, by uid."""
    seccomp_root: Path
    memory_capacity: int
    """Bytes."""
    pids_limit: int = 0
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    longest_back_off: int = 300
    """Seconds between restarts of a container that keeps failing, at most."""
    event_ttl: int = 3600
    """Seconds after which an event is forgotten that has not happened again."""
    volumes_in_memory: Path = Path("/run/pyrt/volumes")
    """A directory a pod, by uid, for what must not reach a disk."""
    allocatable: Mapping[str, str] = field(default_factory=dict)
    """What pods can have of the node, by resource: ``cpu``, ``memory``, ``ephemeral-storage``."""
    capacity: Demand = field(default_factory=Demand)
    """The whole machine."""
    room: Allocatable = UNLIMITED
    """``allocatable`` in figures."""
    apparmor: bool = False
    """Whether the kernel has it."""
    apparmor_profile: str = ""
    """What RuntimeDefault means."""
    id_ranges: IdRanges = field(default_factory=IdRanges)
    """For pods with ids of their own."""


def gather(config: Config) -> NodeFacts:
    """Look at the machine; cheap enough to be done again when something may have changed."""
    try:
        hosts = Path("/etc/hosts").read_text(errors="replace")
    except OSError:
        hosts = ""
    capacity = machine(config.paths.root)
    room = allocatable(capacity, config)
    return NodeFacts(
        name=config.node.effective_name,
        addresses=host_addresses(),
        cluster=ClusterDns(tuple(config.node.cluster_dns), config.node.cluster_domain),
        host_dns=read_resolv_conf(config.node.resolv_conf),
        host_hosts=hosts,
        logs=config.paths.logs,
        pods=config.paths.root / "pods",
        seccomp_root=config.runtime.seccomp_root,
        memory_capacity=capacity.memory,
        pids_limit=config.runtime.default_pids_limit,
        allowed_unsafe_sysctls=tuple(config.runtime.allowed_unsafe_sysctls),
        longest_back_off=config.runtime.crash_loop_max_seconds,
        event_ttl=config.api.event_ttl_seconds,
        volumes_in_memory=config.paths.run / "volumes",
        allocatable=resource_list(room),
        capacity=capacity,
        room=room,
        apparmor=probe().apparmor,
        apparmor_profile=config.runtime.apparmor_profile,
        id_ranges=IdRanges(
            config.runtime.userns_first_id, config.runtime.userns_ids_per_pod, config.runtime.userns_max_pods
        ),
    )


def node_uid(name: str) -> str:
    """The uid of the Node object: the machine's id (machine-id(5)), or the node's name where there is none."""
    try:
        return Path("/etc/machine-id").read_text().strip() or name
    except OSError:
        return name


def host_addresses() -> tuple[str, ...]:
    """The addresses that packets to the outside would carry, one a family; the loopback's if there is no way out.

    Connecting a datagram socket sends nothing: the kernel only looks up the route. The destinations are of the
    documentation ranges (RFC 5737, RFC 3849).
    """
    found = []
    for family, destination in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((destination, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return tuple(found) or ("127.0.0.1",)
