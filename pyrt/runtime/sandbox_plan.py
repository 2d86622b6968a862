"""A pod sandbox in CRI's vocabulary as a plan that its pod process plays on itself (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyrt.launch import constants as k
from pyrt.launch.context import CgroupPlace, Layered
from pyrt.launch.features import Features
from pyrt.launch.operations import HOST, POD_NETLINK, Bind, Netlink, Operation
from pyrt.launch.plan import GivenFd, Plan
from pyrt.launch.sandbox import SPARE_NAMESPACES, SandboxContext, Tmpfs, compile_link, compile_sandbox
from pyrt.network.types import Attachment
from pyrt.runtime.config import NamespaceMode, SandboxConfig
from pyrt.runtime.paths import RuntimePaths

OOM_SCORE_ADJ = -998
"""What the kubelet gives to sandboxes: the kernel should find somebody else first."""

DEFAULT_NET_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
"""A pod with a network of its own may bind low ports and send pings without capabilities, as under containerd."""


@dataclass(frozen=True, slots=True)
class SandboxPlaces:
    """Where what all containers of a sandbox share is mounted: in the pod process's mount namespace only."""

    shm: str
    """The shared /dev/shm."""
    etc: str
    """See :mod:`pyrt.runtime.sandbox_files`."""
    proc: str
    """A procfs of the PID namespace that the containers share, if they do."""

    @property
    def hosts(self) -> str:
        """The source of /etc/hosts."""
        return f"{self.etc}/hosts"

    @property
    def resolv_conf(self) -> str:
        """The source of /etc/resolv.conf."""
        return f"{self.etc}/resolv.conf"

    @property
    def hostname(self) -> str:
        """The source of /etc/hostname."""
        return f"{self.etc}/hostname"


def sandbox_places(paths: RuntimePaths, sandbox_id: str) -> SandboxPlaces:
    """See :mod:`pyrt.runtime.paths`."""
    directory = paths.pod(sandbox_id)
    return SandboxPlaces(shm=f"{directory}/shm", etc=f"{directory}/etc", proc=f"{directory}/proc")


def sandbox_plan(
    config: SandboxConfig,
    places: SandboxPlaces,
    cgroup: CgroupPlace,
    attachment: Attachment | None,
    files: int = -1,
    features: Features = Features(),  # noqa: B008 - frozen
    *,
    prepared: bool = False,
) -> Plan:
    """Cgroup, namespaces, hostname, sysctls, network, shared memory, volumes in memory, files of /etc.

    ``files`` is the descriptor of :func:`pyrt.runtime.sandbox_files.make_files`; -1 for a plan that is only printed.
    ``prepared``: for a spare pod process, which has its namespaces already, and its link by :func:`link_plan`.
    """
    host_network = config.network is NamespaceMode.NODE
    own_ipc = config.ipc is not NamespaceMode.NODE
    namespaces = k.CLONE_NEWNS
    if not host_network:  # CRI: the UTS namespace goes with the network's
        namespaces |= k.CLONE_NEWNET | k.CLONE_NEWUTS
    if own_ipc:
        namespaces |= k.CLONE_NEWIPC
    if prepared:
        attachment = None
        namespaces &= ~SPARE_NAMESPACES
    tmpfs = [
        Tmpfs(str(mount.path), mount.size, mount.mode, gid=mount.gid, huge_pages=mount.huge_pages)
        for mount in config.tmpfs_mounts
    ]
    if own_ipc:
        owner = config.user_namespace.first if config.user_namespace is not None else 0
        tmpfs.insert(0, Tmpfs(places.shm, config.shm_size, 0o1777, "/dev/shm", owner))
    plan = compile_sandbox(
        SandboxContext(
            namespaces=namespaces,
            cgroup=cgroup,
            hostname="" if host_network else config.hostname,
            sysctls=config.sysctls if host_network or prepared else {**DEFAULT_NET_SYSCTLS, **config.sysctls},
            pod_messages=attachment.pod_messages if attachment is not None else (),
            host_messages=attachment.host_messages if attachment is not None else (),
            message_notes=attachment.description if attachment is not None else (),
            tmpfs=tmpfs,
            oom_score_adj=None if prepared else OOM_SCORE_ADJ,
            prepared=prepared,
            user_namespace=config.user_namespace,
            layered=[Layered(str(mount.path), tuple(map(str, mount.layers))) for mount in config.image_mounts],
            features=features,
        )
    )
    more: list[Operation] = [
        Bind(0, "", "", HOST, places.etc, k.BIND_DETACHED, note="hosts, resolv.conf, hostname"),
    ]
    if attachment is not None and attachment.final_messages:
        notes = attachment.description[len(attachment.pod_messages) + len(attachment.host_messages) :]
        more.append(Netlink(POD_NETLINK, b"".join(attachment.final_messages), "; ".join(notes)))
    return replace(plan, items=(*plan.items, *more), fds=(GivenFd(files, "files of /etc"),))


def link_plan(attachment: Attachment, host_netlink: int) -> Plan:
    """The link of a spare pod process that has got its pod; ``host_netlink`` is a netlink socket of the host's."""
    of_host = (False,) * len(attachment.pod_messages) + (True,) * len(attachment.host_messages)
    messages = (*attachment.pod_messages, *attachment.host_messages, *attachment.final_messages)
    sides = (*of_host, *(False,) * len(attachment.final_messages))
    source = GivenFd(host_netlink, "netlink socket of the host")
    return compile_link(tuple(zip(sides, messages, attachment.description, strict=True)), source)
