"""What is in an image: its layers as overlayfs would merge them, without mounting them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

_OPAQUE = "trusted.overlay.opaque"


def has_path(layers: Sequence[Path], path: str) -> bool:
    """Whether ``path`` (relative, without ..) is in these layers, lowest first. Of what is behind a symbolic link
    nothing is said: True; who mounts it finds out. Raises OSError.
    """
    names = [name for name in path.split("/") if name not in ("", ".")]
    visible = list(reversed(layers))
    for depth in range(1, len(names) + 1):
        inside = "/".join(names[:depth])
        merged: list[Path] = []
        seen = False
        for layer in visible:
            try:
                found = (layer / inside).lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISLNK(found.st_mode) and not seen:
                return True
            if not stat.S_ISDIR(found.st_mode):
                # Hides what is below it; 0:0 is a whiteout (Documentation/filesystems/overlayfs.rst).
                seen = seen or not (stat.S_ISCHR(found.st_mode) and found.st_rdev == 0)
                break
            seen = True
            merged.append(layer)
            if _opaque(layer / inside):
                break
        if not seen:
            return False
        visible = merged
    return True


def _opaque(directory: Path) -> bool:
    try:
        return os.getxattr(directory, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:  # none, or a file system without extended attributes
        return False
