"""What a pod needs on disk, made of spare directories: the writable layer, the log, the termination message.

Only a container's own directory and overlayfs's work directory are used a second time: no container has a hand on
them. What another pod could still hold open (its log, by a hostPath) never is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from pyrt._native import remove_tree
from pyrt.runtime.spare_pool import SparePool
from pyrt.runtime.trash import Trash

_INSIDE: Final = "spare"
"""The name of what a spare directory holds, until it gets its own."""
_LOG_MODE: Final = 0o640
_MESSAGE_MODE: Final = 0o666
"""The container may run as anyone."""


class Spares:
    """Three pools. What is not to be had from them (empty, another file system) is made then and there."""

    def __init__(self, path: str, trash: Trash) -> None:
        self._path = path
        self._trash = trash
        self._layers = SparePool(f"{path}/layers", _make_layer, trash)
        self._logs = SparePool(f"{path}/logs", _make_logs, trash)
        self._messages = SparePool(f"{path}/messages", _make_message, trash)
        self._pools = (self._layers, self._logs, self._messages)

    def prepare(self) -> None:
        """Begin to fill the pools."""
        os.makedirs(self._path, 0o700, exist_ok=True)
        for name in os.listdir(self._path):
            if name not in ("layers", "logs", "messages"):
                self._trash.throw(f"{self._path}/{name}")
        for pool in self._pools:
            pool.prepare()

    def close(self) -> None:
        """Make no more."""
        for pool in self._pools:
            pool.close()

    def take_layer(self, directory: str) -> None:
        """Make ``directory``, with an empty ``upper`` and an empty ``work``. Raises OSError."""
        if not self._layers.take(directory):
            _make_layer(directory)

    def give_back_layer(self, directory: str) -> None:
        """Make such a directory disappear."""
        self._layers.give_back(directory, _renew_layer)

    def take_log(self, pod: Path, log: Path) -> None:
        """Make the directory of ``pod / log``, and perhaps the empty file itself. Raises OSError."""
        if len(log.parts) == 2 and self._logs.take(str(pod)):
            name, file = log.parts
            os.rename(f"{pod}/{_INSIDE}", f"{pod}/{name}")
            os.rename(f"{pod}/{name}/{_INSIDE}", f"{pod}/{name}/{file}")
            return
        directory = (pod / log).parent
        try:
            with suppress(FileExistsError):
                os.mkdir(pod, 0o755)
            os.mkdir(directory, 0o755)
        except FileExistsError:
            pass
        except FileNotFoundError:
            os.makedirs(directory, 0o755, exist_ok=True)

    def take_message(self, directory: str, name: str) -> None:
        """Make ``directory`` with an empty file, which anyone may write to; either may exist. Raises OSError."""
        if self._messages.take(directory):
            os.rename(f"{directory}/{_INSIDE}", f"{directory}/{name}")
            return
        with suppress(FileExistsError):
            os.mkdir(directory, 0o711)
        _create(f"{directory}/{name}", _MESSAGE_MODE)


def _create(path: str, mode: int) -> None:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        os.fchmod(fd, mode)  # whatever our umask
    finally:
        os.close(fd)


def _make_logs(directory: str) -> None:
    os.mkdir(directory, 0o755)
    os.mkdir(f"{directory}/{_INSIDE}", 0o755)
    _create(f"{directory}/{_INSIDE}/{_INSIDE}", _LOG_MODE)


def _make_message(directory: str) -> None:
    os.mkdir(directory, 0o711)
    _create(f"{directory}/{_INSIDE}", _MESSAGE_MODE)


def _make_layer(directory: str) -> None:
    os.mkdir(directory, 0o711)
    _make_upper(f"{directory}/upper")
    os.mkdir(f"{directory}/work", 0o700)


def _make_upper(path: str) -> None:
    os.mkdir(path)
    os.chmod(path, 0o755)  # it becomes the container's root directory, whatever our umask


def _renew_layer(directory: str) -> bool:
    """Make a used one new; ``upper`` was the container's, and is replaced."""
    try:
        work = f"{directory}/work"
        remove_tree(f"{directory}/upper")
        for name in os.listdir(work):
            remove_tree(f"{work}/{name}")
        _make_upper(f"{directory}/upper")
        return sorted(os.listdir(directory)) == ["upper", "work"]
    except OSError:
        return False
