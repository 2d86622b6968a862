"""Removing a directory whose content was written by containers, and so by enemies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def remove_directory(path: Path) -> None:
    """Remove ``path`` and everything below; nothing happens when it is absent.

    Symbolic links are removed, never followed, also when they are swapped in during the walk (``shutil.rmtree`` works
    with directory descriptors on Linux); a mount point below stops it with EBUSY. Raises OSError.
    """
    try:
        os.rmdir(path)  # empty: one call
    except FileNotFoundError:
        return
    except OSError:
        pass
    else:
        return
    if not shutil.rmtree.avoids_symlink_attacks:
        raise OSError(38, "this Python cannot remove trees safely", str(path))
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        if path.exists():
            raise
