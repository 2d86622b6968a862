"""cgroup v1: one directory per mounted hierarchy. With hybrid mounts, cgroup2 is used for the controllers only it
has.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence

from pyrt._native import Errand
from pyrt.cgroups.details import v1_details
from pyrt.cgroups.detect import Hierarchies
from pyrt.cgroups.driver import Join
from pyrt.cgroups.errors import CgroupError, UnsupportedControllerError
from pyrt.cgroups.files import make_directory, read, read_int, read_keyed, read_or_none, remove_tree, write
from pyrt.cgroups.foreign import make_missing, remove_empty
from pyrt.cgroups.settings import Setting, v1_settings, v2_settings, write_settings
from pyrt.cgroups.stats import CgroupDetails, CgroupStats, Pressures
from pyrt.spec import LinuxResources

_SIGKILL = 9
_UNLIMITED = 1 << 62
"""memory.limit_in_bytes says a number near 2**63 for no limit; nothing real comes near this."""
_SETTINGS_KEPT = 64
_FREEZE_ATTEMPTS = 500
_FREEZE_PAUSE = 0.002
"""v1 has no event for a finished freeze: at most one second of looking."""


def _as_it_is(_above: str, _directory: str) -> None:
    """A new cgroup of most controllers needs nothing before processes can be in it."""


class V1Driver:
    """See :class:`pyrt.cgroups.driver.CgroupDriver`."""

    def __init__(self, hierarchies: Hierarchies, parent: str) -> None:
        self.hierarchies = hierarchies
        self.parent = parent
        self._mounts = {h.mount_point: h.controllers for h in hierarchies.v1}
        below = f"/{parent}" if parent else ""
        self._bases = tuple(f"{h.mount_point}{below}" for h in hierarchies.v1)
        self._of = {c: f"{h.mount_point}{below}" for h in hierarchies.v1 for c in h.controllers}
        self.filters_devices = "devices" in self._of
        self._begun: dict[str, Errand] = {}
        self._settings: dict[int, tuple[LinuxResources, tuple[tuple[str, str, str], ...] | None]] = {}
        """By identity: containers that are alike share their resources."""
        # What no v1 hierarchy offers may still be found on the cgroup2 mount (hugetlb, typically).
        extra = hierarchies.unified_controllers - self._of.keys()
        self._unified = f"{hierarchies.unified}{below}" if hierarchies.unified is not None and extra else None
        self._unified_controllers = extra

    def prepare(self) -> None:
        """Make the parent and the QoS directories; cpusets below inherit their CPUs by clone_children (cgroups v1)."""
        for base in self._bases:
            mount_point = base[: -len(self.parent) - 1]
            is_cpuset = "cpuset" in self._mounts[mount_point]
            directory = mount_point
            for part in self.parent.split("/"):
                above, directory = directory, f"{directory}/{part}"
                make_directory(directory, mount_point)
                if is_cpuset:
                    self._inherit_cpuset(above, directory)
            for qos in ("burstable", "besteffort"):
                make_directory(f"{base}/{qos}", mount_point)
        if self._unified is not None:
            mount_point = self._unified[: -len(self.parent) - 1]
            directory = mount_point
            enable = " ".join(f"+{c}" for c in sorted(self._unified_controllers))
            for part in (*self.parent.split("/"), ""):
                with contextlib.suppress(
                    CgroupError
                ):  # a threaded or delegated tree may refuse; then the limit itself will say so
                    write(f"{directory}/cgroup.subtree_control", enable)
                if part:
                    directory = f"{directory}/{part}"
                    make_directory(directory, mount_point)

    def create(self, path: str, resources: LinuxResources | None = None) -> Join:
        """A cgroup anywhere below the parent, with what is missing above it (an OCI runtime's cgroupsPath)."""
        for base in self._bases:
            if "cpuset" in self._mounts[base.removesuffix(f"/{self.parent}") if self.parent else base]:
                directory = base
                for part in path.split("/"):
                    above, directory = directory, f"{directory}/{part}"
                    make_directory(directory, base)
                    self._inherit_cpuset(above, directory)
        return self._create(path, resources)

    @staticmethod
    def _inherit_cpuset(above: str, directory: str) -> None:
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not read(f"{directory}/{name}").strip():
                write(f"{directory}/{name}", read(f"{above}/{name}").strip())
        if read(f"{directory}/cgroup.clone_children").strip() != "1":
            write(f"{directory}/cgroup.clone_children", "1")

    def _at(self, base: str, path: str) -> str:
        """A cgroup's directory in the hierarchy of ``base``."""
        return f"{base[: -len(self.parent) - 1]}{path}" if path[:1] == "/" else f"{base}/{path}"

    def create_below(self, parent: str, name: str) -> tuple[Join, tuple[str, ...]]:
        """One directory a hierarchy, and its parents where they are missing. What one hierarchy had is not ours."""
        made: list[list[str]] = []
        for base in self._bases:
            mount_point = base[: -len(self.parent) - 1]
            prepare = self._inherit_cpuset if "cpuset" in self._mounts[mount_point] else _as_it_is
            made.append(make_missing(mount_point, parent, prepare))
        return self._create(f"{parent}/{name}", None), tuple(sorted(made, key=len)[0] if made else ())

    def remove_made(self, paths: Sequence[str]) -> bool:
        """From every hierarchy."""
        return remove_empty([*self._mounts, *self._unified_mount()], paths)

    def _unified_mount(self) -> list[str]:
        return [self._unified[: -len(self.parent) - 1]] if self._unified is not None else []

    def create_pod(self, pod: str, resources: LinuxResources | None = None) -> Join:
        """The pod process joins the pod's own cgroup: v1 lets processes and children live side by side."""
        return self._create(pod, resources)

    def create_container(self, path: str, resources: LinuxResources | None = None) -> Join:
        """One mkdir a hierarchy, then one write a setting."""
        return self._create(path, resources)

    def begin(self, path: str, resources: LinuxResources | None = None) -> None:
        """One thread makes one cgroup after the other, without the interpreter: 0.4 ms each."""
        if path[:1] == "/" or path in self._begun:
            return
        settings = self._plain_settings(resources)
        if settings is None:
            return
        directories = [f"{base}/{path}\0\0" for base in self._bases]
        values = [f"{base}/{path}/{file}\0{value}\0" for base, file, value in settings]
        with contextlib.suppress(OSError):  # then it is made when it is wanted
            self._begun[path] = Errand("".join((*directories, *values)))

    def _plain_settings(self, resources: LinuxResources | None) -> tuple[tuple[str, str, str], ...] | None:
        """(hierarchy, file, value) of each; ``None`` when not all of them are certain to be found in v1 hierarchies."""
        if resources is None:
            return ()
        known = self._settings.get(id(resources))
        if known is None or known[0] is not resources:
            settings = v1_settings(resources)
            certain = not resources.unified and all(s.controller in self._of and not s.optional for s in settings)
            found = tuple((self._of[s.controller], s.file, s.value) for s in settings) if certain else None
            if len(self._settings) >= _SETTINGS_KEPT:
                self._settings.clear()
            known = self._settings[id(resources)] = resources, found
        return known[1]

    def _settle(self, path: str) -> bool:
        """Wait for what was begun; whether that has been done, and all of it."""
        errand = self._begun.pop(path, None)
        return errand is not None and errand.wait() == 0

    def _create(self, path: str, resources: LinuxResources | None) -> Join:
        if self._settle(path):
            return Join(tuple(f"{base}/{path}/tasks" for base in self._bases))
        tasks = []
        for base in self._bases:
            directory = self._at(base, path)
            try:
                os.mkdir(directory, 0o755)
            except FileExistsError:
                pass
            except FileNotFoundError:
                make_directory(directory, base)
            except OSError as error:
                raise CgroupError(operation=f"create cgroup {directory}", errno=error.errno) from error
            if path[:1] == "/" and "cpuset" in self._mounts[base[: -len(self.parent) - 1]]:
                self._inherit_cpuset(os.path.dirname(directory), directory)
            tasks.append(f"{directory}/tasks")
        unified = None
        if resources is not None:
            unified = self._apply(path, resources)
        return Join(tuple(tasks), unified)

    def _apply(self, path: str, resources: LinuxResources) -> str | None:
        """Write every limit; the cgroup2 directory, if one had to be made for a controller that only it has."""
        elsewhere = self._write_all(path, v1_settings(resources))
        elsewhere = [s for s in elsewhere if not s.optional or s.controller in self._unified_controllers]
        if not elsewhere and not resources.unified:
            return None
        self.filters_devices = "devices" in self._of
        # What no v1 hierarchy here can do: cgroup2's own name for it, if that mount has the controller.
        settings = [s for s in v2_settings(resources) if s.controller in self._unified_controllers]
        missing = {s.controller for s in elsewhere} - self._unified_controllers
        if missing or self._unified is None:
            raise UnsupportedControllerError(
                f"this machine has no {' or '.join(sorted(missing)) or 'cgroup2'} controller",
                operation="set cgroup limits",
            )
        directory = self._unified_mount()[0] if path[:1] == "/" else self._unified
        enable = " ".join(f"+{c}" for c in sorted(self._unified_controllers))
        for part in path.strip("/").split("/"):
            write(f"{directory}/cgroup.subtree_control", enable)
            directory = f"{directory}/{part}"
            make_directory(directory, self._unified)
        write_settings(directory, settings)
        return directory

    def _write_all(self, path: str, settings: list[Setting]) -> list[Setting]:
        """Write what the v1 hierarchies can do; the answer is the rest."""
        by_controller: dict[str, list[Setting]] = {}
        for setting in settings:
            by_controller.setdefault(setting.controller, []).append(setting)
        elsewhere = []
        for controller, group in by_controller.items():
            base = self._of.get(controller)
            if base is None:
                elsewhere += group
            else:
                write_settings(self._at(base, path), group)
        return elsewhere

    def update(self, path: str, resources: LinuxResources) -> None:
        """The memory limit and the memory-and-swap limit are changed in the order that keeps the first below the
        second.
        """
        settings = v1_settings(resources)
        both = [s for s in settings if s.file in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")]
        if len(both) == 2 and "memory" in self._of:
            total = both[1]
            current = read_int(f"{self._at(self._of['memory'], path)}/memory.memsw.limit_in_bytes")
            if int(total.value) == -1 or int(total.value) > current:
                settings.remove(total)
                settings.insert(0, total)
        self._write_all(path, settings)

    def join(self, path: str) -> Join:
        """Of an existing cgroup; hierarchies in which it was not made are left out."""
        unified = self._at(self._unified, path) if self._unified is not None else None
        return Join(
            tuple(f"{self._at(base, path)}/tasks" for base in self._bases),
            unified if unified is not None and os.path.isdir(unified) else None,
        )

    def freeze(self, path: str) -> None:
        """Write FROZEN until the kernel says so: it may take several rounds while processes fork."""
        state = self._freezer(path)
        for _ in range(_FREEZE_ATTEMPTS):
            write(state, "FROZEN")
            if read(state).strip() == "FROZEN":
                return
            time.sleep(_FREEZE_PAUSE)
        write(state, "THAWED")
        raise CgroupError(f"still {read(state).strip()} after a second", operation=f"freeze {path}")

    def thaw(self, path: str) -> None:
        """Undo :meth:`freeze`."""
        write(self._freezer(path), "THAWED")

    def _freezer(self, path: str) -> str:
        if "freezer" not in self._of:
            raise CgroupError("this machine has no freezer controller", operation=f"freeze {path}")
        return f"{self._at(self._of['freezer'], path)}/freezer.state"

    def processes(self, path: str) -> list[int]:
        """From the first hierarchy: every one lists the same processes."""
        found: list[int] = []
        for directory in self._tree(self._at(self._bases[0], path)):
            text = read_or_none(f"{directory}/cgroup.procs")
            found.extend(map(int, (text or "").split()))
        return found

    @staticmethod
    def _tree(top: str) -> list[str]:
        tree = [top]
        for directory in tree:
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                tree.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        return tree

    def kill(self, path: str) -> int:
        """Standing still first, so that no process can fork away and no process id can be used again in between."""
        frozen = self._of.get("freezer")
        state = f"{self._at(frozen, path)}/freezer.state" if frozen is not None else None
        if state is not None:
            with contextlib.suppress(CgroupError):
                write(state, "FROZEN")
        try:
            victims = self.processes(path)
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, _SIGKILL)
        finally:
            if state is not None:
                with contextlib.suppress(CgroupError):
                    write(state, "THAWED")
        return len(victims)

    def stats(self, path: str) -> CgroupStats:
        """cpuacct, memory and pids; each is zero where it is not mounted."""
        of = {controller: self._at(base, path) for controller, base in self._of.items()}
        memory = of.get("memory", "/nowhere")
        counters = read_keyed(f"{memory}/memory.stat")
        usage = read_int(f"{memory}/memory.usage_in_bytes")
        limit = read_int(f"{memory}/memory.limit_in_bytes")
        return CgroupStats(
            cpu_usage_ns=read_int(f"{of.get('cpuacct', '/nowhere')}/cpuacct.usage"),
            memory_usage=usage,
            memory_working_set=max(0, usage - counters.get("total_inactive_file", 0)),
            memory_rss=counters.get("total_rss", 0),
            memory_limit=limit if 0 < limit < _UNLIMITED else None,
            memory_cache=counters.get("total_cache", 0),
            memory_mapped=counters.get("total_mapped_file", 0),
            active_file=counters.get("total_active_file", 0),
            inactive_file=counters.get("total_inactive_file", 0),
            page_faults=counters.get("total_pgfault", 0),
            major_page_faults=counters.get("total_pgmajfault", 0),
            swap_usage=counters.get("total_swap", 0),
            swap_limit=_swap_limit(counters),
            pids=read_int(f"{of.get('pids', '/nowhere')}/pids.current"),
        )

    def details(self, path: str) -> CgroupDetails:
        """cpu, cpuacct, memory, blkio, hugetlb and pids; each is zero where it is not mounted."""
        of = {controller: self._at(base, path) for controller, base in self._of.items()}
        return v1_details(of, self._at(self._unified, path) if self._unified is not None else "/nowhere")

    def pressures(self, path: str) -> Pressures:
        """v1 has none."""
        return Pressures()

    def oom_kills(self, path: str) -> int:
        """``oom_kill`` of memory.oom_control; 0 without the memory controller."""
        memory = self._of.get("memory")
        return read_keyed(f"{self._at(memory, path)}/memory.oom_control").get("oom_kill", 0) if memory else 0

    def directories(self, path: str) -> tuple[str, ...]:
        """One a hierarchy."""
        return tuple(self._at(base, path) for base in self._bases)

    def remove(self, path: str) -> bool:
        """From every hierarchy; goes on with the others when one is busy."""
        self._settle(path)
        bases = self._bases if self._unified is None else (*self._bases, self._unified)
        busy = [base for base in bases if not remove_tree(self._at(base, path))]
        if path[:1] == "/" and self._unified is not None:  # where nobody but we makes anything, and only by the way
            for depth in range(path.count("/") - 1, 0, -1):
                remove_empty(self._unified_mount(), ["/".join(path.split("/")[: depth + 1])])
        return not busy

    def children(self, path: str) -> list[str]:
        """The union over the hierarchies: a half-made cgroup is in some of them only."""
        names: set[str] = set()
        for base in self._bases:
            with contextlib.suppress(OSError), os.scandir(self._at(base, path)) as entries:
                names.update(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        return sorted(names)


def _swap_limit(counters: Mapping[str, int]) -> int | None:
    """v1 limits memory and swap together."""
    both = counters.get("hierarchical_memsw_limit", _UNLIMITED)
    return None if both >= _UNLIMITED else max(0, both - counters.get("hierarchical_memory_limit", 0))
