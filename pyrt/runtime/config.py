"""What the layers above ask of the runtime: one pod sandbox, one container. The vocabulary is CRI's.

The supervisor (``pyrt.pods``) and the CRI server both speak these types; nothing Kubernetes-specific (probes, restart
policy, references to other objects) is left in them: every value is resolved.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from pyrt.ids import ImageId
from pyrt.images.types import Image
from pyrt.launch.context import UserNamespace
from pyrt.network.types import HostPort


class NamespaceMode(enum.Enum):
    """Whose namespace a container lives in (CRI ``NamespaceMode``)."""

    POD = "pod"
    CONTAINER = "container"
    NODE = "node"


class Owner(enum.Enum):
    """Through which door a sandbox came. Those of one door never see the other's, whatever they are called."""

    API = "api"
    """The operator's pods."""
    CRI = "cri"
    """A kubelet's."""


@dataclass(frozen=True, slots=True)
class PodMetadata:
    """The identity of a sandbox (CRI ``PodSandboxMetadata``)."""

    name: str
    namespace: str
    uid: str
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """The contents of /etc/resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits for a cgroup. ``None`` leaves the kernel's default (unlimited).

    ``cpu_shares`` is the v1 figure (2..262144) and is converted for v2; ``cpu_quota`` and ``cpu_period`` are
    microseconds; memory and hugepage figures are bytes.
    """

    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    memory_limit: int | None = None
    memory_swap_limit: int | None = None
    pids_limit: int | None = None
    hugepage_limits: dict[str, int] = field(default_factory=dict)
    unified: dict[str, str] = field(default_factory=dict)
    """Cgroup v2 files written as they are (``memory.high``...)."""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """One pod sandbox."""

    metadata: PodMetadata
    hostname: str
    log_directory: Path
    dns: DnsConfig | None = None
    """``None`` copies the host's resolv.conf (dnsPolicy Default)."""
    hosts: str | None = None
    """The text of /etc/hosts except for the pod's own address lines, which the runtime adds once it knows the
    addresses; ``None`` copies the host's file (hostNetwork)."""
    fqdn: str = ""
    """``hostname.subdomain.namespace.svc.cluster.local`` when a subdomain is set: named in /etc/hosts."""
    host_ports: tuple[HostPort, ...] = ()
    network: NamespaceMode = NamespaceMode.POD
    pid: NamespaceMode = NamespaceMode.CONTAINER
    ipc: NamespaceMode = NamespaceMode.POD
    cgroup_parent: str = ""
    """The pod's cgroup, relative to the configured root: ``burstable/pod<uid>``. Containers are its children. With a
    leading slash it is somebody else's, a kubelet's, and relative to the root of each hierarchy."""
    resources: Resources = field(default_factory=Resources)
    user_namespace: UserNamespace | None = None
    """The pod's own ids; ``None``: the host's."""
    sysctls: dict[str, str] = field(default_factory=dict)
    shm_size: int = 64 * 1024 * 1024
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    tmpfs_mounts: tuple[TmpfsMount, ...] = ()
    """Memory-backed volumes: mounted by the pod process in its own mount namespace, gone with it."""
    image_mounts: tuple[ImageMount, ...] = ()
    """Image volumes, likewise."""
    privileged: bool = False
    """Whether a kubelet has said that containers of it may be privileged."""
    owner: Owner = Owner.API
    request: bytes = b""
    """What the owner was asked for, in its own words: kept for it, and never looked at here."""


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """A tmpfs that lives as long as the sandbox (emptyDir medium Memory)."""

    path: Path
    size: int | None = None
    """Bytes; ``None`` is the kernel's default, half of memory."""
    mode: int = 0o1777
    gid: int | None = None
    """The group of its top directory; ``None`` is root's."""
    huge_pages: int = 0
    """Bytes of a page: a hugetlbfs instead (medium HugePages)."""


@dataclass(frozen=True, slots=True)
class ImageMount:
    """The content of an image, read-only, for as long as the sandbox lives."""

    path: Path
    """An empty directory."""
    layers: tuple[Path, ...]
    """Lowest first."""
    image: ImageId
    """It is not removed meanwhile."""


class Propagation(enum.Enum):
    """mount_namespaces(7), as CRI names it."""

    PRIVATE = "private"
    HOST_TO_CONTAINER = "rslave"
    BIDIRECTIONAL = "rshared"


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount of a host path into a container (CRI ``Mount``)."""

    container_path: str
    host_path: Path
    readonly: bool = False
    recursive_readonly: bool = False
    propagation: Propagation = Propagation.PRIVATE
    sub_path: str = ""
    """Resolved beneath ``host_path`` without following symlinks out of it."""
    make_sub_path: bool = True
    """Make what is missing of ``sub_path``, as directories."""
    description: str = ""
    """For errors and ``explain``: ``emptyDir cache``."""
    make_host_path: bool = False
    """Make a directory where ``host_path`` does not exist."""
    current: bool = False
    """With what is mounted on ``host_path`` when the container starts; otherwise when its sandbox did, plus what is
    mounted later on mounts that the host shares."""
    options: tuple[str, ...] = ()
    """More of mount(8)'s words about the mount: ``noexec``, ``nosuid``."""
    layers: tuple[Path, ...] = ()
    """The layers of an image, lowest first: mounted read-only in place of ``host_path``, which is empty then."""
    image: ImageId | None = None
    """Whose layers they are. It is not removed meanwhile."""
    mapped: bool = True
    """In a pod with a user namespace: with its ids, so that the host's 0 is the pod's 0."""


@dataclass(frozen=True, slots=True)
class Device:
    """A host device node made visible to a container."""

    container_path: str
    host_path: Path
    permissions: str = "rwm"
    type: str = ""
    """``c``, ``b`` or ``p``, with its numbers; empty: those of ``host_path``."""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    """``None``: that of ``host_path``, as the two that follow."""
    uid: int | None = None
    gid: int | None = None
    of_user: bool = False
    """Where ``uid`` is not said it is the container's user's, if that is not root (CDI)."""


@dataclass(frozen=True, slots=True)
class Seccomp:
    """``RuntimeDefault``, ``Unconfined``, or ``Localhost`` with a profile file."""

    type: str = "RuntimeDefault"
    profile: Path | None = None


@dataclass(frozen=True, slots=True)
class ContainerSecurity:
    """Everything that decides what a container's processes may do."""

    privileged: bool = False
    run_as_user: int | None = None
    run_as_username: str = ""
    run_as_group: int | None = None
    run_as_non_root: bool = False
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str = "Merge"
    add_capabilities: tuple[str, ...] = ()
    """``NET_ADMIN`` or ``ALL``: without the ``CAP_`` prefix."""
    drop_capabilities: tuple[str, ...] = ()
    ambient_capabilities: tuple[str, ...] = ()
    """Added too, and kept by a user that is not root, across execve (capabilities(7), "ambient")."""
    no_new_privileges: bool = False
    readonly_rootfs: bool = False
    seccomp: Seccomp = field(default_factory=Seccomp)
    apparmor_profile: str = ""
    """The name of a profile that the kernel has loaded; empty: none; ``runtime/default``: what the node's configuration
    says, which has to say something."""
    apparmor_default: bool = False
    """Where no profile is named: the node's default, if it has one."""
    unmasked_proc: bool = False
    """procMount: Unmasked."""
    masked_paths: tuple[str, ...] | None = None
    """Hidden from the container; ``None``: Kubernetes' list."""
    readonly_paths: tuple[str, ...] | None = None
    """Likewise."""
    rlimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """``RLIMIT_NOFILE`` -> (soft, hard)."""
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """One container of a sandbox."""

    name: str
    attempt: int
    image: Image
    image_ref: str
    """What the user asked for (``nginx:latest``), for status."""
    log_path: Path
    """Relative to the sandbox's log directory: ``app/0.log``."""
    command: tuple[str, ...] = ()
    """Replaces the image's entrypoint (and its cmd); ``$(VAR)`` already expanded."""
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: Resources = field(default_factory=Resources)
    security: ContainerSecurity = field(default_factory=ContainerSecurity)
    pid: NamespaceMode | None = None
    """Whose PID namespace it has; ``None``: as the sandbox says."""
    pid_target: str = ""
    """The id of the container whose PID namespace is joined (ephemeral containers); empty for none."""
    stop_signal: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    request: bytes = b""
    """As :attr:`SandboxConfig.request`."""
