"""Removing a directory whose content was written by containers, and so by enemies."""

from __future__ import annotations

import os
from pathlib import Path

from pyrt._native import remove_tree


def remove_directory(path: Path) -> None:
    """Remove ``path`` and everything below; nothing happens when it is absent.

    Symbolic links are removed, never followed, also when they are swapped in during the walk; a mount point below
    stops it with EBUSY or EXDEV. Raises OSError.
    """
    try:
        remove_tree(path)
    except FileNotFoundError:
        if os.path.lexists(path):
            raise
