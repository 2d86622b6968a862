"""Directories of one shape, ready before they are asked for.

A new inode on ext4 costs up to a millisecond, because the allocator passes over every recently deleted one; a rename
costs twenty microseconds. So directories are made by the thread that empties the trash, while nobody asks for any.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from typing import Final

from pyrt.runtime.trash import Trash

SPARES: Final = 64
_LOW: Final = 4
"""So few are not left alone until it is quiet."""
_QUIET_SECONDS: Final = 0.3
"""Without anybody asking, before more are made: pods that start need the processors and the disk for themselves."""


class SparePool:
    """One event loop. ``make(path)`` makes one, on the thread; OSError is borne."""

    def __init__(self, path: str, make: Callable[[str], None], trash: Trash) -> None:
        """``path`` is on the file system on which the directories are wanted."""
        self._path = path
        self._make = make
        self._trash = trash
        self._ready: list[str] = []
        self._coming = 0
        self._last_taken = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Make the pool's directory and begin to fill it; what an earlier daemon left there is thrown away."""
        os.makedirs(self._path, 0o700, exist_ok=True)
        for name in os.listdir(self._path):
            self._trash.throw(f"{self._path}/{name}")
        self._fill()

    def close(self) -> None:
        """Make no more."""
        if self._timer is not None:
            self._timer.cancel()

    def take(self, directory: str) -> bool:
        """Make ``directory``, which is absent or empty, of a spare one; ``False`` if that cannot be done."""
        loop = asyncio.get_running_loop()
        self._last_taken = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(_QUIET_SECONDS, self._when_quiet)
        while self._ready:
            spare = self._ready.pop()
            try:
                os.rename(spare, directory)
            except OSError:
                if os.path.lexists(spare):  # else somebody has tidied up
                    self._ready.append(spare)
                    return False
            else:
                if len(self._ready) + self._coming < _LOW:
                    self._fetch(_LOW)
                return True
        return False

    def give_back(self, directory: str, renew: Callable[[str], bool]) -> None:
        """Make ``directory`` disappear now, and use it again; ``renew(path)``, on the thread, makes it as new or says
        that this cannot be done. Absent is fine.
        """
        if len(self._ready) + self._coming >= SPARES:
            self._trash.throw(directory)
            return
        name = self._new_name()
        try:
            os.rename(directory, name)
        except OSError:
            self._trash.throw(directory)
            return
        self._coming += 1

        def done(renewed: bool) -> None:
            self._coming -= 1
            if renewed:
                self._ready.append(name)
            else:
                self._trash.throw(name)

        self._trash.run(lambda: renew(name), done)

    def _new_name(self) -> str:
        return f"{self._path}/{secrets.token_hex(8)}"

    def _when_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        wait = self._last_taken + _QUIET_SECONDS - loop.time()
        self._timer = loop.call_later(wait, self._when_quiet) if wait > 0 else None
        if self._timer is None:
            self._fill()

    def _fill(self) -> None:
        self._fetch(SPARES - len(self._ready) - self._coming)

    def _fetch(self, count: int) -> None:
        if count <= 0:
            return
        names = [self._new_name() for _ in range(count)]
        self._coming += count

        def done(made: list[str]) -> None:
            self._coming -= count
            self._ready += made

        self._trash.run(lambda: self._make_all(names), done)

    def _make_all(self, names: list[str]) -> list[str]:
        made = []
        for name in names:
            try:
                self._make(name)
            except OSError:
                break  # a full disk: whoever needs a directory makes it, and tells
            made.append(name)
        return made
