"""Which networks the configuration directory asks for, as it is at this moment.

Nobody waits for the directory to change: whoever wants to know looks. A look at an unchanged one costs a few system
calls, a sandbox and a kubelet's question need no more, and there is no moment at which a change has not arrived yet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, TypeAlias

from pyrt.network.cni.conf import Conf, parse, parse_plugin
from pyrt.network.cni.errors import ConfigurationError

_LIST: Final = ".conflist"
_SUFFIXES: Final = (_LIST, ".conf", ".json")

_Signature: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
_ABSENT: Final[_Signature] = ()


class ConfDirectory:
    """``/etc/cni/net.d``."""

    def __init__(self, path: Path, limit: int) -> None:
        """``limit``: how many files count, the first by name; 0 is all."""
        self.path = path
        self._limit = limit
        self._seen: list[tuple[Path, tuple[str, ...], _Signature]] = []
        """What the answer came from: directories, the suffixes that count in them, what was there."""
        self._answer: tuple[Conf, ...] | ConfigurationError = ()

    def load(self) -> tuple[Conf, ...]:
        """The networks, the one of eth0 first; empty without any file. Raises :class:`ConfigurationError`.

        One unreadable file among those that count spoils all, as in containerd: a node must not quietly use another
        network than the first.
        """
        if not self._seen or any(_look(path, suffixes) != before for path, suffixes, before in self._seen):
            try:
                self._answer = self._read()
            except ConfigurationError as error:
                self._answer = error
        answer = self._answer
        if isinstance(answer, ConfigurationError):
            # Another one for every caller: a raised error collects the places that it has passed.
            raise ConfigurationError(answer.message, subject=answer.subject, errno=answer.errno)
        return answer

    def _read(self) -> tuple[Conf, ...]:
        # Looked at before it is read: what changes in between is read again the next time.
        files = _look(self.path, _SUFFIXES)
        self._seen = [(self.path, _SUFFIXES, files)]
        confs: list[Conf] = []
        for name, *_ in files:
            if self._limit and len(confs) == self._limit:
                break
            confs.append(self._file(self.path / name))
        names = [conf.name for conf in confs]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"two networks are called {name}", subject=f"CNI configuration {self.path}")
        return tuple(confs)

    def _file(self, path: Path) -> Conf:
        conf = parse(_bytes(path), str(path), is_list=path.suffix == _LIST)
        if not conf.only_inlined:
            directory = self.path / conf.name
            files = _look(directory, (".conf",))
            self._seen.append((directory, (".conf",), files))
            more = tuple(parse_plugin(_bytes(directory / name), str(directory / name)) for name, *_ in files)
            conf = conf.with_plugins(more)
        if not conf.plugins:
            raise ConfigurationError("expected plugins", subject=f"CNI configuration {path}")
        return conf


def _look(directory: Path, suffixes: tuple[str, ...]) -> _Signature:
    """The files that count, by name. Raises :class:`ConfigurationError`."""
    try:
        with os.scandir(directory) as entries:
            found = [
                (entry.name, *_facts(entry.path))
                for entry in entries
                if os.path.splitext(entry.name)[1] in suffixes and not entry.is_dir()
            ]
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    except OSError as error:
        raise ConfigurationError(subject=f"CNI configuration {directory}", errno=error.errno) from error
    return tuple(sorted(found))


def _facts(path: str) -> tuple[int, int, int, int]:
    try:
        facts = os.stat(path)
    except OSError:  # a link into nowhere: reading it will say so
        return (0, 0, 0, 0)
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(subject=f"CNI configuration {path}", errno=error.errno) from error
