"""Running one plugin, as a process of its own that nothing outlives.

A plugin is a program of the operator's that runs as root on the host; it is waited for on the event loop. Its input and
outputs are files in memory rather than pipes: a plugin that never reads its input, or leaves something behind that
keeps its output open, holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pyrt.network.cni.errors import CniError, PluginMissingError

_OUTPUT: Final = 4 * 2**20
"""Bytes of a plugin's output that are read; a result has some hundred."""
_BUSY_TRIES: Final = 5
_BUSY_SECONDS: Final = 1.0
"""A plugin that is just being replaced cannot be executed (ETXTBSY)."""


class Outcome(NamedTuple):
    """How a plugin ended."""

    status: int
    """As in :mod:`subprocess`: negative for a signal."""
    output: bytes
    complaints: bytes
    """What it wrote on standard error."""


def find(name: str, directories: Sequence[Path]) -> str:
    """The path of a plugin. Raises :class:`PluginMissingError`."""
    for directory in directories:
        path = str(directory / name)
        if os.path.isfile(path):
            return path
    places = ", ".join(map(str, directories))
    raise PluginMissingError(f"not found in {places}", subject=f"CNI plugin {name}")


async def run(path: str, given: bytes, environment: dict[str, str], seconds: float) -> Outcome:
    """Run it to its end. Raises :class:`CniError` when it cannot be started, or takes longer than ``seconds``.

    When it takes too long, or this is cancelled, it is killed with everything that it has started and that stayed in
    its session's process group.
    """
    with contextlib.ExitStack() as stack:
        files = []
        for name in ("input", "output", "errors"):
            fd = os.memfd_create(f"cni {name}", os.MFD_CLOEXEC)
            stack.callback(os.close, fd)
            files.append(fd)
        stdin, stdout, stderr = files
        os.pwrite(stdin, given, 0)
        process = await _start(path, environment, stdin, stdout, stderr)
        try:
            status = await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError as error:
            complaints = os.pread(stderr, _OUTPUT, 0).decode(errors="replace").strip()
            words = f"killed after {seconds:g} s" + (f"; stderr: {complaints}" if complaints else "")
            raise CniError(words, subject=f"CNI plugin {os.path.basename(path)}") from error
        finally:
            if process.returncode is None:
                _kill(process.pid)
                await asyncio.shield(process.wait())
        return Outcome(status, os.pread(stdout, _OUTPUT, 0), os.pread(stderr, _OUTPUT, 0))


async def _start(
    path: str, environment: dict[str, str], stdin: int, stdout: int, stderr: int
) -> asyncio.subprocess.Process:
    for attempt in range(_BUSY_TRIES + 1):
        try:
            return await asyncio.create_subprocess_exec(
                path, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, cwd="/", start_new_session=True
            )
        except OSError as error:
            subject = f"CNI plugin {os.path.basename(path)}"
            if error.errno == errno.ENOENT and not os.path.lexists(path):
                raise PluginMissingError("it has just been removed", subject=subject) from error
            if error.errno != errno.ETXTBSY or attempt == _BUSY_TRIES:
                raise CniError(subject=subject, operation=f"execute {path}", errno=error.errno) from error
        await asyncio.sleep(_BUSY_SECONDS)
    raise AssertionError("the last attempt raises")


def _kill(pid: int) -> None:
    # It leads a session and so a process group, which is not reaped before it is waited for.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def strays(container_ids: set[str]) -> list[int]:
    """Processes of plugins for these containers, which an earlier daemon has left running.

    They are told by their environment, which what a plugin starts inherits. Containers cannot pass for one: only
    processes in our own PID namespace count.
    """
    found = []
    own = os.stat("/proc/self/ns/pid").st_ino
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has just ended
            with open(f"/proc/{name}/environ", "rb") as file:
                variables = file.read(65536).split(b"\0")
            for variable in variables:
                key, _, text = variable.partition(b"=")
                if key == b"CNI_CONTAINERID" and os.fsdecode(text) in container_ids:
                    if os.stat(f"/proc/{name}/ns/pid").st_ino == own:
                        found.append(int(name))
                    break
    return found
