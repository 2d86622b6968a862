"""How much a volume holds: for the limits that the kernel does not keep (``emptyDir.sizeLimit``, ephemeral-storage)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyrt._native import tree_usage
from pyrt.volumes.errors import VolumeError


@dataclass(frozen=True, slots=True)
class VolumeUsage:
    """What a volume holds, its own directory included."""

    bytes: int
    """Allocated on the disk, as du(1) counts; a file with several names counts once."""
    inodes: int


def usage(path: Path) -> VolumeUsage:
    """Count what is in a volume. Blocks (0.25 s for 100,000 files in the cache) without the interpreter lock.

    The content is the container's: no symbolic link is followed, however it is changed meanwhile, and what is mounted
    below is passed over. A volume in memory (emptyDir with medium Memory) is mounted only in its pod's mount namespace
    and is empty here; the kernel keeps its limit. A volume that is one file answers for that; one that is not there
    holds nothing. Raises :class:`VolumeError`.
    """
    try:
        found = tree_usage(path)
    except FileNotFoundError:
        return VolumeUsage(0, 0)
    except NotADirectoryError:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return VolumeUsage(0, 0)
        return VolumeUsage(status.st_blocks * 512, 1)
    except OSError as error:
        raise VolumeError(subject=f"volume {path.name}", operation=f"measure {path}", errno=error.errno) from error
    return VolumeUsage(found.bytes, found.inodes)
