"""Whole trees of files, in one call and without the interpreter lock."""

from __future__ import annotations

import errno
import os

from pyrt._native._cffi import ffi, lib
from pyrt.records import dataclass


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a directory and everything below it.

    Symbolic links are removed, never followed, also when they are swapped in during the walk; a mount point below
    stops it (EBUSY, EXDEV). Any depth. Raises OSError for the first thing that could not be removed: FileNotFoundError
    when there is no such directory.
    """
    number = lib.remove_tree(os.fsencode(path))
    if number:
        raise OSError(number, os.strerror(number), os.fspath(path))


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """What a directory holds, itself included."""

    bytes: int
    """Allocated, as du(1) counts; a file with several names counts once."""
    inodes: int


def tree_usage(path: str | os.PathLike[str]) -> TreeUsage:
    """Count what is in a directory that containers may be writing to.

    No symbolic link is followed, and what is mounted below is passed over. When a very deep directory is moved away
    under the walk, the answer is what was counted so far. Raises OSError.
    """
    found = ffi.new("struct tree_usage *")
    number = lib.tree_usage(os.fsencode(path), found)
    if number not in (0, errno.ESTALE):
        raise OSError(number, os.strerror(number), os.fspath(path))
    return TreeUsage(found.bytes, found.inodes)


def tree_set_group(path: str | os.PathLike[str], gid: int, *, readonly: bool = False) -> None:
    """Give a directory and everything below it to a group: files ``g+rw``, directories ``g+rwx`` and set-group-ID,
    without the ``w`` if ``readonly``.

    Walks as :func:`tree_usage` does; the directory itself comes last. Raises OSError.
    """
    number = lib.tree_set_group(os.fsencode(path), gid, readonly)
    if number:
        raise OSError(number, os.strerror(number), os.fspath(path))
