"""What the machine has, and what of it pods may ask for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import psutil

from pyrt.config import Config
from pyrt.kube import quantity
from pyrt.pods.allocation import Allocatable, Demand
from pyrt.pods.eviction.thresholds import Signal, hard_thresholds

_PAGES = re.compile(r"hugepages-([0-9]+)kB")


def machine(root: Path) -> Demand:
    """The whole machine: its processors, its memory, the file system that ``root`` is or will be on, its huge pages."""
    return Demand(
        milli_cpu=1000 * (os.cpu_count() or 1),
        memory=psutil.virtual_memory().total,
        storage=_disk(root),
        hugepages=tuple(_hugepages(Path("/sys/kernel/mm/hugepages"))),
    )


def allocatable(capacity: Demand, config: Config) -> Allocatable:
    """What is left for pods: less what is reserved, less what must stay free lest pods be evicted, less huge pages
    (kubelet, ``GetNodeAllocatableReservation``).
    """
    reserved = config.node.reserved
    kept = {Signal.MEMORY: 0, Signal.NODEFS: 0}
    if config.eviction.enabled:
        for threshold in hard_thresholds(config.eviction):
            if threshold.signal is Signal.MEMORY:
                kept[Signal.MEMORY] = threshold.amount(capacity.memory)
            elif threshold.signal is Signal.NODEFS:
                kept[Signal.NODEFS] = threshold.amount(capacity.storage)
    pages = sum(size for _, size in capacity.hugepages)
    memory = capacity.memory - _units(reserved, "memory") - kept[Signal.MEMORY] - pages
    storage = capacity.storage - _units(reserved, "ephemeral-storage") - kept[Signal.NODEFS]
    cpu = capacity.milli_cpu - (quantity.milli(reserved["cpu"]) if "cpu" in reserved else 0)
    return Allocatable(Demand(max(cpu, 0), max(memory, 0), max(storage, 0), capacity.hugepages), config.node.max_pods)


def resource_list(room: Allocatable) -> dict[str, str]:
    """Figures as a Node object and ``resourceFieldRef`` have them."""
    demand = room.demand
    return {
        "cpu": quantity.of_milli(demand.milli_cpu),
        "ephemeral-storage": f"{demand.storage // 1024}Ki",
        **{name: quantity.of_units(size, binary=True) for name, size in demand.hugepages},
        "memory": f"{demand.memory // 1024}Ki",
        "pods": str(room.pods),
    }


def _units(amounts: Mapping[str, str], name: str) -> int:
    return quantity.units(amounts[name]) if name in amounts else 0


def _disk(path: Path) -> int:
    for place in (path, *path.parents):
        if place.exists():
            return psutil.disk_usage(str(place)).total
    return 0


def _hugepages(directory: Path) -> list[tuple[str, int]]:
    found = []
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return []
    for entry in entries:
        match = _PAGES.fullmatch(entry.name)
        if match is None:
            continue
        try:
            count = int((entry / "nr_hugepages").read_text())
        except (OSError, ValueError):
            continue
        size = int(match[1]) * 1024
        found.append((f"hugepages-{quantity.of_units(size, binary=True)}", size * count))
    return found
