"""Who goes first (``rankMemoryPressure`` and its siblings, ``pkg/kubelet/eviction/helpers.go``; pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from pyrt.kube.aggregate import pod_requests
from pyrt.pods.eviction.thresholds import Signal
from pyrt.pods.eviction.usage import PodUsage, Space

_Key = Callable[[PodUsage], tuple[int, ...]]


def ranked(signal: Signal, pods: Iterable[PodUsage], *, own_imagefs: bool = False) -> list[PodUsage]:
    """The pods, the first to go first. ``own_imagefs``: images and writable layers are on a file system of their own.

    Memory and disk: those that use more than they asked for, then the lower priority, then who is further beyond.
    Process ids: priority, then number.
    """
    return sorted(pods, key=_key(signal, own_imagefs))


def _key(signal: Signal, own_imagefs: bool) -> _Key:
    match signal:
        case Signal.MEMORY:
            return _memory
        case Signal.PID:
            return _processes
    return _disk(signal, own_imagefs)


def _priority(usage: PodUsage) -> int:
    return usage.pod.spec.priority or 0


def request(usage: PodUsage, name: str) -> int:
    """What the pod asked for, in whole units."""
    return int(pod_requests(usage.pod.spec).get(name, Fraction()))


def _memory(usage: PodUsage) -> tuple[int, ...]:
    beyond = usage.memory - request(usage, "memory")
    return int(beyond <= 0), _priority(usage), -beyond


def _processes(usage: PodUsage) -> tuple[int, ...]:
    return _priority(usage), -usage.processes


def _disk(signal: Signal, own_imagefs: bool) -> _Key:
    inodes = signal in (Signal.NODEFS_INODES, Signal.IMAGEFS_INODES)
    on_images = signal in (Signal.IMAGEFS, Signal.IMAGEFS_INODES)

    def space(usage: PodUsage) -> Space:
        if not own_imagefs:
            return usage.disk()
        return usage.disk(volumes=False) if on_images else usage.disk(layers=False)

    def key(usage: PodUsage) -> tuple[int, ...]:
        used = space(usage)
        asked = request(usage, "ephemeral-storage")
        if inodes:  # nobody asks for inodes: whoever has one uses more than that
            return int(used.inodes <= 0), _priority(usage), asked - used.inodes
        return int(used.bytes <= asked), _priority(usage), asked - used.bytes

    return key
