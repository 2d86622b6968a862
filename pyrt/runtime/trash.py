"""Removing directories without making anybody wait: renamed away at once, emptied by a thread."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pyrt._native import remove_tree

log = logging.getLogger(__name__)

T = TypeVar("T")


class Trash:
    """A directory on the same file system as what is thrown into it. One thread empties it, one tree after the
    other.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pyrt-trash")
        self._pending: set[asyncio.Future[Any]] = set()

    def prepare(self) -> None:
        """Make the directory, and begin to empty what an earlier daemon left in it."""
        os.makedirs(self._path, 0o700, exist_ok=True)
        for name in os.listdir(self._path):
            self._empty(f"{self._path}/{name}")

    def throw(self, directory: str) -> None:
        """Make ``directory`` disappear now; its content is removed later. Absent is fine."""
        grave = f"{self._path}/{secrets.token_hex(8)}"
        try:
            os.rename(directory, grave)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("rename %s to %s: %s", directory, grave, error.strerror)
            grave = directory
        self._empty(grave)

    def remove(self, directory: str) -> None:
        """Remove a directory that is on another file system than this one (a run directory); absent is fine."""
        self._empty(directory)

    def _empty(self, path: str) -> None:
        future = asyncio.get_running_loop().run_in_executor(self._executor, _remove, path)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def run(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Have the thread do something, after what it has to do already; ``done`` is called with the outcome, on the
        event loop.
        """
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)

        def finished(ended: asyncio.Future[T]) -> None:
            self._pending.discard(ended)
            if not ended.cancelled():
                done(ended.result())

        self._pending.add(future)
        future.add_done_callback(finished)

    async def drained(self) -> None:
        """Return when everything thrown away so far is gone."""
        while self._pending:
            await asyncio.gather(*self._pending, return_exceptions=True)

    def close(self) -> None:
        """Finish what is being removed; the rest is found by the next daemon."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _remove(path: str) -> None:
    """Rmtree that never follows a symbolic link. What cannot be removed is logged and left for the next daemon."""
    try:
        remove_tree(path)
    except FileNotFoundError:
        pass
    except OSError:
        shutil.rmtree(path, onerror=_complain)  # as much of it as can be, and what cannot by name


def _complain(_function: object, path: str, info: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(info[1], FileNotFoundError):
        log.warning("remove %s: %s", path, info[1])
