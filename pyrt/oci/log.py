"""What is told besides the answer: to ``--log FILE`` in the form that callers read, or to standard error."""

from __future__ import annotations

import os
import sys
import time


class Log:
    """Lines as logrus writes them, which containerd's shim and podman take the last error from."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._json = False
        self._debug = False

    def open(self, path: str, form: str, *, debug: bool) -> None:
        """Begin. Raises OSError."""
        self._json = form == "json"
        self._debug = debug
        if path:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def debug(self, message: str) -> None:
        """With ``--debug`` only."""
        if self._debug:
            self._write("debug", message)

    def warning(self, message: str) -> None:
        """Something that was asked for and is not done."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """Why the command failed; to standard error in any case."""
        self._write("error", message)
        if self._fd is not None:
            sys.stderr.write(message + "\n")

    def _write(self, level: str, message: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._json:
            line = f'{{"level":"{level}","msg":{quoted(message)},"time":"{now}"}}\n'
        else:
            line = f'time="{now}" level={level} msg={quoted(message)}\n'
        # One write a line: other processes append to the same file.
        os.write(2 if self._fd is None else self._fd, line.encode("utf-8", "surrogateescape"))


LOG = Log()
"""The command's."""


def quoted(text: str) -> str:
    """A JSON string. Control characters never reach a terminal: they may come from a container."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char < " " or "\x7f" <= char < "\xa0" or "\ud800" <= char <= "\udfff":
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'
