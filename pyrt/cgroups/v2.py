"""cgroup v2: one tree. Documentation/admin-guide/cgroup-v2.rst of the kernel is the reference for every file."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Sequence

from pyrt.cgroups.details import v2_details, v2_pressures
from pyrt.cgroups.detect import Hierarchies
from pyrt.cgroups.device_program import DevicePrograms
from pyrt.cgroups.driver import SANDBOX_LEAF, Join
from pyrt.cgroups.errors import CgroupError, UnsupportedControllerError
from pyrt.cgroups.files import (
    make_directory,
    read,
    read_int,
    read_keyed,
    read_limit,
    read_or_none,
    remove_tree,
    write,
)
from pyrt.cgroups.foreign import is_foreign, make_missing, remove_empty
from pyrt.cgroups.settings import v2_settings, write_settings
from pyrt.cgroups.stats import CgroupDetails, CgroupStats, Pressures
from pyrt.spec import LinuxResources

_SIGKILL = 9
_WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc")
_FREEZE_SECONDS = 10.0


class V2Driver:
    """See :class:`pyrt.cgroups.driver.CgroupDriver`."""

    def __init__(self, hierarchies: Hierarchies, parent: str) -> None:
        if hierarchies.unified is None:
            raise CgroupError("cgroup2 is not mounted")
        self.hierarchies = hierarchies
        self.filters_devices = False
        self._devices = DevicePrograms()
        self.parent = parent
        self._mount = hierarchies.unified
        self._base = f"{hierarchies.unified}/{parent}" if parent else hierarchies.unified
        self._controllers = frozenset(c for c in _WANTED if c in hierarchies.unified_controllers)
        self._enable = " ".join(f"+{c}" for c in _WANTED if c in hierarchies.unified_controllers)

    def prepare(self) -> None:
        """Make the parent and the QoS directories, and hand every controller down to where the pods will be."""
        self.filters_devices = self._devices.supported()
        directory = self._mount
        self._delegate(directory)
        for part in self.parent.split("/"):
            directory = f"{directory}/{part}"
            make_directory(directory, self._mount)
            self._delegate(directory)
        for qos in ("burstable", "besteffort"):
            make_directory(f"{self._base}/{qos}", self._mount)
            self._delegate(f"{self._base}/{qos}")

    def create(self, path: str, resources: LinuxResources | None = None) -> Join:
        """A cgroup anywhere below the parent, with what is missing above it (an OCI runtime's cgroupsPath)."""
        directory = self._base
        for part in path.split("/"):
            self._delegate(directory)
            directory = f"{directory}/{part}"
            make_directory(directory, self._mount)
        if resources is not None:
            self._apply(directory, resources)
            if resources.devices:
                self._devices.attach(directory, resources.devices)
        return Join(directory=directory)

    def _delegate(self, directory: str) -> None:
        """Enable the controllers for the children of ``directory``: all at once, or one by one if the kernel refuses
        one.
        """
        if not self._enable:
            return
        control = f"{directory}/cgroup.subtree_control"
        try:
            write(control, self._enable)
        except CgroupError as error:
            first = error
        else:
            return
        present = set(read(control).split())
        for controller in self._enable.split():
            if controller[1:] in present:
                continue
            try:
                write(control, controller)
            except CgroupError:
                # EBUSY: processes live in here (an agent's own cgroup); without these three no limit would hold.
                if controller[1:] in ("cpu", "memory", "pids"):
                    raise first from None

    def begin(self, path: str, resources: LinuxResources | None = None) -> None:
        """Not here: there is one directory only, and the pod process is born in it."""

    def create_pod(self, pod: str, resources: LinuxResources | None = None) -> Join:
        """Two directories: the pod's, and a leaf for the pod process."""
        directory = self._at(pod)
        self._make_path(pod)
        if resources is not None:
            self._apply(directory, resources)
        self._delegate(directory)
        leaf = f"{directory}/{SANDBOX_LEAF}"
        make_directory(leaf, directory)
        return Join(directory=leaf)

    def _at(self, path: str) -> str:
        return f"{self._mount}{path}" if path[:1] == "/" else f"{self._base}/{path}"

    def create_below(self, parent: str, name: str) -> tuple[Join, tuple[str, ...]]:
        """A leaf beside the containers'. The controllers are handed down to them as to our own pods'."""
        made = make_missing(self._mount, parent, lambda above, _: self._delegate(above))
        self._delegate(f"{self._mount}{parent}")
        directory = f"{self._mount}{parent}/{name}"
        make_directory(directory, self._mount)
        return Join(directory=directory), tuple(made)

    def remove_made(self, paths: Sequence[str]) -> bool:
        """From the one tree."""
        return remove_empty([self._mount], paths)

    def _make_path(self, path: str) -> None:
        """mkdir; a parent that is missing (not one of the QoS directories) is made and delegated first."""
        directory = self._at(path)
        try:
            os.mkdir(directory, 0o755)
        except FileExistsError:
            pass
        except FileNotFoundError as error:
            if is_foreign(path):  # whose it is has removed it
                raise CgroupError(operation=f"create cgroup {directory}", errno=error.errno) from error
            above = self._base
            for part in path.split("/")[:-1]:
                above = f"{above}/{part}"
                make_directory(above, self._mount)
                self._delegate(above)
            make_directory(directory, self._mount)
        except OSError as error:
            raise CgroupError(operation=f"create cgroup {directory}", errno=error.errno) from error

    def create_container(self, path: str, resources: LinuxResources | None = None) -> Join:
        """One directory; one OOM kill takes the whole container (memory.oom.group), as on a kubelet's node."""
        directory = self._at(path)
        self._make_path(path)
        if "memory" in self._controllers:
            write(f"{directory}/memory.oom.group", "1")
        if resources is not None:
            self._apply(directory, resources)
            if resources.devices and self.filters_devices:
                self._devices.attach(directory, resources.devices)
        return Join(directory=directory)

    def _apply(self, directory: str, resources: LinuxResources) -> None:
        settings = []
        for setting in v2_settings(resources):
            if not setting.controller or setting.controller in self._controllers:
                settings.append(setting)
            elif not setting.optional:
                raise UnsupportedControllerError(
                    f"this machine has no {setting.controller} controller", operation=f"set {setting.file}"
                )
        write_settings(directory, settings)

    def update(self, path: str, resources: LinuxResources) -> None:
        """Every file may be written at any time. Device rules are not changed (neither do the peers)."""
        self._apply(self._at(path), resources)

    def join(self, path: str) -> Join:
        """The directory itself."""
        return Join(directory=self._at(path))

    def freeze(self, path: str) -> None:
        """Wait for the ``frozen 1`` event, up to 10 seconds."""
        directory = self._at(path)
        write(f"{directory}/cgroup.freeze", "1")
        if not self._wait_event(directory, "frozen", 1):
            write(f"{directory}/cgroup.freeze", "0")
            raise CgroupError(f"not frozen after {_FREEZE_SECONDS:g} seconds", operation=f"freeze {path}")

    @staticmethod
    def _wait_event(directory: str, key: str, value: int) -> bool:
        """cgroup.events raises POLLPRI when it changes."""
        deadline = time.monotonic() + _FREEZE_SECONDS
        with open(f"{directory}/cgroup.events", "rb", buffering=0) as events:
            poll = select.poll()
            poll.register(events, select.POLLPRI)
            while True:
                events.seek(0)
                fields = dict(line.split() for line in events.read().decode().splitlines())
                if int(fields.get(key, "0")) == value:
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                poll.poll(left * 1000)

    def thaw(self, path: str) -> None:
        """Undo :meth:`freeze`."""
        write(f"{self._at(path)}/cgroup.freeze", "0")

    def processes(self, path: str) -> list[int]:
        """Threaded cgroups below (a container may make them) answer EOPNOTSUPP and are counted at their domain's
        root.
        """
        found: list[int] = []
        tree = [self._at(path)]
        for directory in tree:
            text = read_or_none(f"{directory}/cgroup.procs")
            found.extend(map(int, (text or "").split()))
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                tree.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        return found

    def kill(self, path: str) -> int:
        """cgroup.kill (Linux 5.14) takes forking processes too; before that, a frozen list is gone through."""
        directory = self._at(path)
        victims = self.processes(path)
        try:
            write(f"{directory}/cgroup.kill", "1")
        except CgroupError:
            for _ in range(100):  # each round can only leave what was forked during it
                for pid in victims:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, _SIGKILL)
                if not self.processes(path):
                    break
        return len(victims)

    def stats(self, path: str) -> CgroupStats:
        """cpu.stat, memory.* and pids.*; each is zero where the controller is not delegated."""
        directory = self._at(path)
        cpu = read_keyed(f"{directory}/cpu.stat")
        counters = read_keyed(f"{directory}/memory.stat")
        usage = read_int(f"{directory}/memory.current")
        return CgroupStats(
            cpu_usage_ns=cpu.get("usage_usec", 0) * 1000,
            memory_usage=usage,
            memory_working_set=max(0, usage - counters.get("inactive_file", 0)),
            memory_rss=counters.get("anon", 0),
            memory_limit=read_int(f"{directory}/memory.max") or None,
            memory_cache=counters.get("file", 0),
            memory_mapped=counters.get("file_mapped", 0),
            active_file=counters.get("active_file", 0),
            inactive_file=counters.get("inactive_file", 0),
            page_faults=counters.get("pgfault", 0),
            major_page_faults=counters.get("pgmajfault", 0),
            swap_usage=read_int(f"{directory}/memory.swap.current"),
            swap_limit=read_limit(f"{directory}/memory.swap.max"),
            pids=read_int(f"{directory}/pids.current"),
        )

    def details(self, path: str) -> CgroupDetails:
        """cpu.stat, memory.*, io.stat, hugetlb.* and pids.*; each is zero where the controller is not delegated."""
        return v2_details(self._at(path))

    def pressures(self, path: str) -> Pressures:
        """cpu.pressure, memory.pressure, io.pressure."""
        return v2_pressures(self._at(path))

    def oom_kills(self, path: str) -> int:
        """``oom_kill`` of memory.events, cgroups below included."""
        return read_keyed(f"{self._at(path)}/memory.events").get("oom_kill", 0)

    def directories(self, path: str) -> tuple[str, ...]:
        """The one directory."""
        return (self._at(path),)

    def remove(self, path: str) -> bool:
        """rmdir, deepest first."""
        return remove_tree(self._at(path))

    def children(self, path: str) -> list[str]:
        """Names of the directories."""
        try:
            with os.scandir(self._at(path)) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return []
