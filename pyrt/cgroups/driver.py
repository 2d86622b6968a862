"""The one interface to cgroups; v1, v2 and (later) systemd stand behind it.

A cgroup is named by its path below the configured parent, without a leading slash: ``burstable/pod1234`` for a pod,
``burstable/pod1234/<container id>`` for a container. With a leading slash it counts from the root of each hierarchy
(:mod:`pyrt.cgroups.foreign`). A driver keeps no state of its own besides what the kernel keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyrt.cgroups.detect import Hierarchies
from pyrt.cgroups.stats import CgroupDetails, CgroupStats, Pressures
from pyrt.records import TYPE_CHECKING, dataclass
from pyrt.spec import LinuxResources

if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


@dataclass(frozen=True, slots=True)
class Join:
    """How a process gets into a cgroup.

    v1: it writes ``0`` to each of ``tasks`` itself (moving another process would wait a whole RCU grace period). v2:
    it is born there, ``directory`` being the target of CLONE_INTO_CGROUP (clone(2)). A hybrid machine may need both.
    """

    tasks: tuple[str, ...] = ()
    directory: str | None = None


class CgroupDriver(Protocol):
    """Makes, limits, counts and removes cgroups. Every error is a :class:`pyrt.cgroups.errors.CgroupError`."""

    hierarchies: Hierarchies
    filters_devices: bool
    """Whether device rules take effect here; known after :meth:`prepare`."""

    def prepare(self) -> None:
        """Make the configured parent with the QoS classes' directories below it, and delegate the controllers.
        Idempotent.
        """

    def begin(self, path: str, resources: LinuxResources | None = None) -> None:
        """Where that is possible, have a pod's or container's cgroup made while the caller goes on with something else.

        The caller then comes to ``create_pod`` or ``create_container`` with the same arguments, which waits for it and
        tells what is wrong, or to ``remove``.
        """

    def create_pod(self, pod: str, resources: LinuxResources | None = None) -> Join:
        """Make a pod's cgroup with its limits; the answer is where the pod's own process goes."""

    def create_container(self, path: str, resources: LinuxResources | None = None) -> Join:
        """Make a container's cgroup below its pod's and apply its limits and device rules."""

    def create_below(self, parent: str, name: str) -> tuple[Join, tuple[str, ...]]:
        """Make a cgroup without limits below one that is not ours (:mod:`pyrt.cgroups.foreign`); with it, the names
        of those above that were missing and have been made.
        """

    def remove_made(self, paths: Sequence[str]) -> bool:
        """Remove what :meth:`create_below` had to make. ``False`` while something is left in it."""

    def create(self, path: str, resources: LinuxResources | None = None) -> Join:
        """A cgroup anywhere below the parent, with what is missing above it (an OCI runtime's cgroupsPath)."""

    def update(self, path: str, resources: LinuxResources) -> None:
        """Change limits; what ``resources`` leaves out stays as it is."""

    def join(self, path: str) -> Join:
        """How a process gets into an existing container's cgroup (exec)."""

    def freeze(self, path: str) -> None:
        """Stop every process in it; back when they stand still."""

    def thaw(self, path: str) -> None:
        """Let them run again."""

    def kill(self, path: str) -> int:
        """SIGKILL every process in it and below. How many were found; 0 when there was none (or no such cgroup)."""

    def processes(self, path: str) -> list[int]:
        """The process ids in it and below, as the caller's PID namespace numbers them; empty when there is no such
        cgroup.
        """

    def stats(self, path: str) -> CgroupStats:
        """Counters, zeros when there is no such cgroup."""

    def details(self, path: str) -> CgroupDetails:
        """More counters, zeros when there is no such cgroup."""

    def pressures(self, path: str) -> Pressures:
        """How long its tasks have waited."""

    def oom_kills(self, path: str) -> int:
        """How many of its processes the kernel's OOM killer has taken since it was made."""

    def directories(self, path: str) -> tuple[str, ...]:
        """Every directory the cgroup has, for ``pyrt explain``, events and tests."""

    def remove(self, path: str) -> bool:
        """Remove it with everything below. ``False`` while processes are left in it; ``True`` also when it is
        absent.
        """

    def children(self, path: str) -> list[str]:
        """Names of the cgroups directly below, in any hierarchy."""


SANDBOX_LEAF = "sandbox"
"""Below a pod's v2 cgroup: the pod process. Processes and controllers-for-children exclude each other there
(cgroups(7), "no internal processes"), and its memory is not charged to any container."""
