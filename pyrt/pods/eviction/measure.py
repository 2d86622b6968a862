"""Reading the machine and its pods. Signals cost a few small files; disk usage of pods is counted in a thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pyrt.errors import PyrtError
from pyrt.ids import ContainerId
from pyrt.pods import translate
from pyrt.pods.eviction.thresholds import Observation, Signal
from pyrt.pods.eviction.usage import ContainerUsage, PodUsage, Space
from pyrt.pods.state import PodState
from pyrt.runtime.status import ContainerState
from pyrt.volumes.usage import usage

_EPHEMERAL = ("empty_dir", "config_map", "secret", "downward_api", "projected")


def signals(nodefs: Path, imagefs: Path) -> dict[Signal, Observation]:
    """What is free of everything that is watched. A reading that cannot be had is left out."""
    found: dict[Signal, Observation] = {}
    for read in (memory, _processes):
        try:
            found |= read()
        except (OSError, ValueError, KeyError):
            continue
    for path, space, inodes in (
        (nodefs, Signal.NODEFS, Signal.NODEFS_INODES),
        (imagefs, Signal.IMAGEFS, Signal.IMAGEFS_INODES),
    ):
        try:
            status = os.statvfs(path)
        except OSError:
            continue
        found[space] = Observation(status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)
        if status.f_files:  # some file systems have no fixed number
            found[inodes] = Observation(status.f_favail, status.f_files)
    return found


def memory() -> dict[Signal, Observation]:
    """Capacity less the working set of everything: what is free, and what the page cache could give back first
    (cAdvisor: usage less ``inactive_file`` of the root cgroup).
    """
    fields = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, rest = line.partition(":")
        fields[key] = int(rest.split()[0]) * 1024
    free = fields["MemFree"] + fields["Inactive(file)"]
    return {Signal.MEMORY: Observation(free, fields["MemTotal"])}


def _processes() -> dict[Signal, Observation]:
    """Processes and threads that may still be made (proc_sys_kernel(5), proc_loadavg(5))."""
    most = min(int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max"))
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    return {Signal.PID: Observation(most - running, most)}


def same_device(one: Path, other: Path) -> bool:
    """Whether two directories are on one file system."""
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError:
        return True


def pod_usage(state: PodState, disk: Mapping[str, Space] | None = None) -> PodUsage:
    """Memory and processes of a pod now, with what :func:`disk_of` has counted, if it has."""
    runtime, counted = state.tools.runtime, disk or {}
    working_set = processes = 0
    containers: dict[str, ContainerUsage] = {}
    for sandbox_id in state.sandboxes:
        try:
            whole = runtime.sandbox_cgroup(sandbox_id)
            working_set, processes = working_set + whole.memory_working_set, processes + whole.pids
            for status in runtime.list_containers(sandbox_id):
                name = status.config.name
                running = status.state is ContainerState.RUNNING
                used = runtime.container_cgroup(status.id).memory_working_set if running else 0
                layer = counted.get(f"layer {status.id}", Space())
                message = counted.get(f"message {status.id}", Space())
                before = containers.get(name) or ContainerUsage(logs=counted.get(f"logs {name}", Space()))
                # The file for the termination message counts as a log: the container writes what it likes into it.
                containers[name] = ContainerUsage(before.memory + used, before.layer + layer, before.logs + message)
        except PyrtError:
            continue  # it has just gone
    volumes = {key.partition(" ")[2]: space for key, space in counted.items() if key.startswith("volume ")}
    return PodUsage(state.view, working_set, processes, containers, volumes)


async def disk_of(state: PodState) -> dict[str, Space]:
    """What a pod holds on disk: writable layers (``layer <id>``), termination messages (``message <id>``), logs (``logs
    <name>``), local ephemeral volumes (``volume <name>``).
    """
    places: dict[str, Path] = {}
    pod, tools = state.pod, state.tools
    for sandbox_id in state.sandboxes:
        for status in tools.runtime.list_containers(sandbox_id):
            places[f"layer {status.id}"] = tools.runtime.writable_layer(ContainerId(status.id))
            config = status.config
            places[f"message {status.id}"] = translate.termination_file(pod, config.name, config.attempt, tools.facts)
    logs = translate.log_directory(pod, tools.facts)
    names = [c.name for c in (*pod.spec.containers, *pod.spec.init_containers)]
    for name in (*names, *(c.name for c in pod.spec.ephemeral_containers)):
        places[f"logs {name}"] = logs / name
    for volume in pod.spec.volumes:
        prepared = state.volumes.prepared.get(volume.name)
        if prepared is not None and any(getattr(volume, kind) is not None for kind in _EPHEMERAL):
            places[f"volume {volume.name}"] = prepared.path
    return await asyncio.to_thread(_count, places.items())


def _count(places: Iterable[tuple[str, Path]]) -> dict[str, Space]:
    found = {}
    for key, path in places:
        try:
            held = usage(path)
        except PyrtError:
            continue
        found[key] = Space(held.bytes, held.inodes)
    return found
