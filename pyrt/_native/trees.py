"""Whole trees of files, in one call and without the interpreter lock."""

from __future__ import annotations

import os

from pyrt._native._cffi import lib


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a directory and everything below it.

    Symbolic links are removed, never followed, also when they are swapped in during the walk; a mount point below
    stops it (EBUSY, EXDEV). Any depth. Raises OSError for the first thing that could not be removed: FileNotFoundError
    when there is no such directory.
    """
    number = lib.remove_tree(os.fsencode(path))
    if number:
        raise OSError(number, os.strerror(number), os.fspath(path))
