"""fileKeyRef: a variable out of a file that an init container has written into an emptyDir (KEP-3721).

The syntax is the kubelet's (``pkg/kubelet/util/env/env_util.go``), a part of the POSIX shell's: ``NAME='value'``, the
quotes required and nothing special between them, not even a line's end; ``#`` begins a comment.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from pyrt._native import openat2
from pyrt.errors import PyrtError
from pyrt.volumes.types import PreparedVolume

FILE_MAX: Final = 1 << 20
"""Bytes of a file. The kubelet reads on as long as the container has written."""
LINE_MAX: Final = 64 * 1024
"""Bytes of a line (Go's ``bufio.MaxScanTokenSize``)."""

_BLANK: Final = " \t"
_RESOLVE: Final = 0x01 | 0x02 | 0x10
"""RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT: openat2(2)."""


class EnvFileError(PyrtError):
    """A file that cannot be read or understood. The message says nothing of its content."""


class EnvFiles(Protocol):
    """Reads variables out of files in the pod's volumes."""

    def value(self, volume: str, path: str, name: str) -> str | None:
        """The variable; ``None`` when there is no such file, or no such variable in it, or it is empty.

        Raises
        ------
        EnvFileError: the volume is not there, or the file is not of the syntax.
        """


class VolumeFiles:
    """The files in the prepared volumes of one pod."""

    def __init__(self, volumes: Mapping[str, PreparedVolume], pod_pid: Callable[[], int] = lambda: 0) -> None:
        """``pod_pid`` tells the pod process, which alone sees the pod's volumes in memory; 0 if there is none."""
        self._volumes = volumes
        self._pid = pod_pid

    def value(self, volume: str, path: str, name: str) -> str | None:
        """See :class:`EnvFiles`."""
        prepared = self._volumes.get(volume)
        if prepared is None:
            raise EnvFileError(f'cannot find the volume "{volume}" referenced by FileKeyRef')
        root = str(prepared.path)
        if prepared.tmpfs is not None:
            pid = self._pid()
            if not pid:
                return None
            root = f"/proc/{pid}/root{root}"
        try:
            text = _read(root, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EnvFileError("couldn't parse env file", operation=path, errno=error.errno) from error
        for key, value in variables(text):
            if key == name:
                return value or None
        return None


def _read(root: str, path: str) -> str:
    """The file's text. The volume is the container's, with whatever links and pipes it has put there."""
    base = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = openat2(base, path.lstrip("/"), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, resolve=_RESOLVE)
    finally:
        os.close(base)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        data = file.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ)) from error


def variables(text: str) -> Iterator[tuple[str, str]]:
    """Name and value, in the order of the file; what follows the one that is wanted need not be right.

    Raises
    ------
    EnvFileError: with the number of the line, and nothing of what is in it.
    """
    lines = iter(enumerate(_lines(text), 1))
    for number, line in lines:
        line = line.lstrip(_BLANK)
        if not line or line.startswith("#"):
            continue
        name, equals, rest = line.partition("=")
        if not equals:
            raise _wrong(number, "missing '='")
        if not name:
            raise _wrong(number, "empty variable name")
        if name != name.rstrip(_BLANK):
            raise _wrong(number, "whitespace before '=' is not allowed")
        if rest[:1] in (" ", "\t"):
            yield name, ""  # as a shell takes it: an empty value, and a word that we pass over
            continue
        if not rest.startswith("'"):
            raise _wrong(number, "value must be enclosed in single quotes")
        value, closed, rest = rest[1:].partition("'")
        last = number
        while not closed:
            try:
                last, line = next(lines)
            except StopIteration:
                raise _wrong(number, "unclosed single quote") from None
            more, closed, rest = line.partition("'")
            value += f"\n{more}"
        rest = rest.lstrip(_BLANK)
        if rest and not rest.startswith("#"):
            raise _wrong(last, "unexpected content after closing quote")
        yield name, value


def _lines(text: str) -> Iterator[str]:
    """Lines as Go's ``bufio.ScanLines`` has them: a carriage return at the end is dropped."""
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        if len(line.encode()) >= LINE_MAX:
            raise _wrong(number, f"the line has {LINE_MAX} bytes or more")
        yield line.removesuffix("\r")


def _wrong(number: int, problem: str) -> EnvFileError:
    return EnvFileError(f"couldn't parse env file: invalid environment variable format at line {number}: {problem}")
