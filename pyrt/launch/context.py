"""What a plan needs besides the spec: the places on this machine that the spec does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyrt.launch.errors import LaunchError
from pyrt.launch.features import Features
from pyrt.launch.operations import Operation
from pyrt.launch.plan import FdSource
from pyrt.records import TYPE_CHECKING, dataclass, field

if TYPE_CHECKING:
    from pyrt.launch.own_users import IdMaps


@dataclass(frozen=True, slots=True)
class OverlayRoot:
    """A root of read-only layers and a writable directory above them."""

    layers: tuple[str, ...]
    """Directories, lowest first."""
    upper: str
    work: str
    mountpoint: str
    """Any directory of the host: it is covered in the container's own mount namespace only."""


@dataclass(frozen=True, slots=True)
class DirectoryRoot:
    """A directory that is ready to be a root (an OCI bundle's)."""

    path: str


RootFs = OverlayRoot | DirectoryRoot


@dataclass(frozen=True, slots=True)
class CgroupPlace:
    """The cgroup the process goes into, and what the container sees of it under /sys/fs/cgroup."""

    tasks: tuple[str, ...] = ()
    """v1: files it writes ``0`` into."""
    directory: str | None = None
    """v2: the directory it is born into."""
    mount_points: tuple[str, ...] = ()
    """v1: where the hierarchies of ``tasks`` are mounted (``/sys/fs/cgroup/cpu,cpuacct``)."""

    def controllers(self) -> list[tuple[str, str]]:
        """v1: (name below /sys/fs/cgroup, host directory) of each hierarchy."""
        found = []
        for mount_point in self.mount_points:
            for file in self.tasks:
                if file.startswith(mount_point + "/"):
                    found.append((mount_point.rpartition("/")[2], file.rpartition("/")[0]))
                    break
        return found


@dataclass(frozen=True, slots=True)
class MountSource:
    """What the spec cannot say of one of its mounts."""

    subpath: str = ""
    """Resolved beneath the mount's source, links out of it refused."""
    make_subpath: bool = False
    """Make missing directories of the subpath."""
    bidirectional: bool = False
    """The source keeps its peer group: it is copied in the host's mount namespace."""
    current: bool = False
    """Copied in the host's mount namespace too, for what is mounted there now: the pod's copy of it may be older, and
    where the host shares none of its mounts (no systemd) nothing that came later is in it."""
    mapped: bool = True
    """With the ids of the user namespace, if there is one."""
    note: str = ""
    """For people: ``emptyDir cache``."""


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """Ids of a pod that are not the host's: 0 and on are ``first`` and on there."""

    first: int
    length: int = 65536

    @property
    def map(self) -> str:
        """As /proc/PID/uid_map and gid_map take it."""
        return f"0 {self.first} {self.length}\n"

    def on_host(self, number: int) -> int:
        """What the host knows the pod's user or group by. Raises :class:`LaunchError` for one that has no number."""
        if not 0 <= number < self.length:
            raise LaunchError(
                f"is not one of the {self.length} ids that the pod has", operation=f"user or group {number}"
            )
        return self.first + number


@dataclass(frozen=True, slots=True)
class Layered:
    """The layers of an image on top of one another, read-only."""

    path: str
    """Of the host: an existing, empty directory."""
    layers: tuple[str, ...]
    """Lowest first."""


@dataclass(frozen=True, slots=True)
class ContainerContext:
    """For :func:`pyrt.launch.compile_container`."""

    root: RootFs
    cgroup: CgroupPlace = field(default_factory=CgroupPlace)
    features: Features = field(default_factory=Features)
    sources: Mapping[str, MountSource] = field(default_factory=dict)
    """By destination, as it stands in the spec."""
    join_pid: FdSource | None = None
    """A PID namespace (or pidfd) to be born into instead of a new one: shareProcessNamespace, ephemeral containers.
    ``PodSupplied`` has pyrt-pod fill it in."""
    wait: bool = False
    """Stop before the program until the parent says go (OCI create and start)."""
    gate: FdSource | None = None
    """With ``wait``: a listening socket; from the parent's go on the process waits for whoever connects to this."""
    wait_before_pivot: bool = False
    """Stop also when everything is mounted and the host's root is still there (hooks)."""
    preserved: int = 0
    """How many descriptors from 3 on the program gets."""
    layered: Sequence[Layered] = ()
    """Images that are mounted in the container's mount namespace, for its mounts to bind from."""
    before_root: Sequence[Operation] = ()
    """More operations, after the namespaces are joined and before the root file system is made."""
    give_stdio: bool = True
    """Make the user owner of the standard streams."""
    user_namespace: UserNamespace | None = None
    """The pod's, which its network namespace belongs to (see :mod:`pyrt.launch.mapped`)."""
    hidden: bool = False
    """Somebody in the PID namespace of ``join_pid`` may trace any process: see :mod:`pyrt.launch.hidden`. Not with a
    user namespace, whose capabilities do not reach so far."""
    proc: str = ""
    """With ``hidden``: where a procfs of that PID namespace is mounted; empty: the process of ``join_pid`` has it."""


@dataclass(frozen=True, slots=True)
class ExecContext:
    """For :func:`pyrt.launch.compile_exec`."""

    namespaces: int
    """CLONE_NEW* of the container's namespaces to join; the PID namespace is one the process is born into."""
    target: FdSource
    """A pidfd of the container's process; ``PodSupplied`` has pyrt-pod fill it in."""
    cgroup: CgroupPlace = field(default_factory=CgroupPlace)
    features: Features = field(default_factory=Features)
    give_stdio: bool = True
    preserved: int = 0
    """How many descriptors from 3 on the program gets."""
    program: str = ""
    """What is executed, if that is not the first of the arguments (hooks)."""
    user_namespace: UserNamespace | IdMaps | None = None
    """The pod's, or the container's own."""
    hidden: bool = False
    """Somebody in there may trace any process: see :mod:`pyrt.launch.hidden`. Not with a user namespace, whose
    capabilities do not reach so far."""
