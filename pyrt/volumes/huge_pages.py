"""emptyDir with a medium of huge pages: which size of page is meant (kubelet, ``pkg/volume/emptydir/empty_dir.go``)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pyrt.kube import quantity
from pyrt.kube.pod import Pod
from pyrt.volumes.errors import UnsupportedVolumeError, VolumeError

MEDIUM: Final = "HugePages"
_RESOURCE: Final = "hugepages-"
_SIZES: Final = Path("/sys/kernel/mm/hugepages")


def page_size(name: str, medium: str, pod: Pod) -> int:
    """Bytes of a page for the emptyDir ``name``; 0 for ordinary memory.

    ``HugePages-2Mi`` says it, ``HugePages`` means the one size that the pod's containers ask for. Raises
    :class:`VolumeError` when that is not clear, :class:`UnsupportedVolumeError` for a medium nobody knows.
    """
    if medium == "Memory":
        return 0
    subject, operation = f"volume {name}", f"emptyDir.medium {medium}"
    asked = requested(pod)
    if medium == MEDIUM:
        if len(asked) != 1:
            why = "asks for none" if not asked else "asks for several"
            raise VolumeError(
                f"it means the size of huge page that the pod asks for, and it {why}",
                subject=subject,
                operation=operation,
            )
        return next(iter(asked))
    size = medium.removeprefix(f"{MEDIUM}-")
    if size == medium or not quantity.is_valid(size):
        raise UnsupportedVolumeError("no such medium", subject=subject, operation=operation)
    if quantity.units(size) not in asked:
        raise VolumeError(f"no container of the pod asks for {_RESOURCE}{size}", subject=subject, operation=operation)
    return quantity.units(size)


def requested(pod: Pod) -> set[int]:
    """The sizes of huge pages, in bytes, that the containers of a pod ask for."""
    found = set()
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for resource in (*container.resources.requests, *container.resources.limits):
            if resource.startswith(_RESOURCE):
                found.add(quantity.units(resource.removeprefix(_RESOURCE)))
    return found


def check_kernel(name: str, size: int) -> None:
    """Raise :class:`VolumeError` unless this machine's kernel has huge pages of ``size`` bytes."""
    if not (_SIZES / f"hugepages-{size // 1024}kB").is_dir():
        raise VolumeError(
            f"this machine's kernel has no huge pages of {quantity.of_units(size, binary=True)}",
            subject=f"volume {name}",
            operation="emptyDir.medium",
        )
