"""Finding pod processes that cannot be asked: by their command lines in /proc."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict

PROGRAM = b"pyrt-pod "


def pod_processes(directory: str) -> dict[str, list[int]]:
    """Pids by run directory, of every pod process whose run directory is directly below ``directory``.

    A pod process that is just starting a container has children that still look like itself; they are among them.
    Only processes of our own PID namespace count: what a container writes into its command line is of no interest.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    prefix = os.fsencode(directory) + b"/"
    own = os.stat("/proc/self/ns/pid").st_ino
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has just ended
            with open(f"/proc/{name}/cmdline", "rb") as file:
                arguments = file.read(8192).split(b"\0")
            if len(arguments) < 2 or not arguments[0].startswith(PROGRAM) or not arguments[1].startswith(prefix):
                continue
            if os.stat(f"/proc/{name}/ns/pid").st_ino == own:
                found[os.fsdecode(arguments[1])].append(int(name))
    return dict(found)


def kill(pids: list[int]) -> None:
    """SIGKILL; those that have ended are as good."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
