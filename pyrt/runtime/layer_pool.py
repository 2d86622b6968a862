"""Directories for the writable layers of containers, ready before they are asked for.

A new inode on ext4 costs up to half a millisecond, because the allocator passes over every recently deleted one; a
rename costs twenty microseconds. So directories are made by the thread that empties the trash, and what can be used
again of a removed container's is: its own directory and overlayfs's work directory, on which containers have no hand.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import Final

from pyrt._native import remove_tree
from pyrt.runtime.trash import Trash

SPARES: Final = 16


class LayerPool:
    """Directories with an empty ``upper`` and an empty ``work``. One event loop."""

    def __init__(self, path: str, trash: Trash) -> None:
        """``path`` is on the file system of the containers' directories."""
        self._path = path
        self._trash = trash
        self._ready: list[str] = []
        self._coming = 0

    def prepare(self) -> None:
        """Make the pool's directory and begin to fill it; what an earlier daemon left there is thrown away."""
        os.makedirs(self._path, 0o700, exist_ok=True)
        for name in os.listdir(self._path):
            self._trash.throw(f"{self._path}/{name}")
        while self._coming < SPARES:
            self._fetch(self._new_name(), new=True)

    def take(self, directory: str) -> None:
        """Make ``directory`` for one container. Raises OSError."""
        while self._ready:
            with contextlib.suppress(OSError):  # somebody has tidied up: make it here and now
                os.rename(self._ready.pop(), directory)
                return
        _make(directory)

    def give_back(self, directory: str) -> None:
        """Make ``directory`` disappear now, and use of it later what can be used. Absent is fine."""
        if len(self._ready) + self._coming >= SPARES:
            self._trash.throw(directory)
            return
        name = self._new_name()
        try:
            os.rename(directory, name)
        except OSError:
            self._trash.throw(directory)
        else:
            self._fetch(name, new=False)

    def _new_name(self) -> str:
        return f"{self._path}/{secrets.token_hex(8)}"

    def _fetch(self, name: str, *, new: bool) -> None:
        self._coming += 1

        def done(made: bool) -> None:
            self._coming -= 1
            if made:
                self._ready.append(name)
            elif not new:
                self._trash.throw(name)

        self._trash.run(_try_make if new else _renew, name, done)


def _make(directory: str) -> None:
    os.mkdir(directory, 0o711)
    upper = f"{directory}/upper"
    os.mkdir(upper)
    os.chmod(upper, 0o755)  # it becomes the container's root directory, whatever our umask
    os.mkdir(f"{directory}/work", 0o700)


def _try_make(directory: str) -> bool:
    try:
        _make(directory)
    except OSError:
        return False
    return True


def _renew(directory: str) -> bool:
    """Make a used one new; ``upper`` was the container's, and is replaced."""
    try:
        upper, work = f"{directory}/upper", f"{directory}/work"
        remove_tree(upper)
        for name in os.listdir(work):
            remove_tree(f"{work}/{name}")
        os.mkdir(upper)
        os.chmod(upper, 0o755)
        return sorted(os.listdir(directory)) == ["upper", "work"]
    except OSError:
        return False
