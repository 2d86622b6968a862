"""What ``pyrt-pod`` leaves in its run directory for whoever comes after it.

``containers/<id>`` is written when a process has started, ``exits/<id>`` when it has ended, before anyone is told; both
by rename, so a file is whole or absent. A new daemon reads them when the pod process itself has died with its pod: an
id with a start and no exit was killed with it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

CONTROL_SOCKET: Final = "control.sock"
CONTAINERS: Final = "containers"
EXITS: Final = "exits"


class StartRecord(NamedTuple):
    """One started process. ``pid`` and ``start_ticks`` together name one process for good."""

    id: str
    target: str
    """The container that an exec runs in; empty for containers of their own PID namespace."""
    is_exec: bool
    pid: int
    start_ticks: int
    """/proc/PID/stat, field 22."""
    started: int
    """Unix time in ns."""


class ExitRecord(NamedTuple):
    """How one container or exec process ended. Times are Unix nanoseconds."""

    id: str
    is_exec: bool
    pid: int
    status: int
    """As wait(2) gives it."""
    started: int
    finished: int

    @property
    def signal(self) -> int:
        """The signal that killed it, or 0."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    @property
    def exit_code(self) -> int:
        """Its exit code; 128 + signal number for a killed process."""
        return 128 + os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else os.WEXITSTATUS(self.status)

    @classmethod
    def killed_with_pod(cls, start: StartRecord, at: int) -> ExitRecord:
        """The end of a process whose pod process died before it could say more: SIGKILL, at ``at`` at the latest."""
        return cls(start.id, start.is_exec, start.pid, int(signal.SIGKILL), start.started, at)


def _fields(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="ascii")
    return dict(line.split(" ", 1) for line in text.splitlines())


def _records(directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        if not name.startswith("."):  # a write that was not finished
            yield name, _fields(directory / name)


def read_starts(run_dir: Path) -> dict[str, StartRecord]:
    """Every process that was started and not forgotten, by id."""
    return {
        name: StartRecord(
            name,
            fields.get("target", ""),
            fields["kind"] == "exec",
            int(fields["pid"]),
            int(fields["start_ticks"]),
            int(fields["started"]),
        )
        for name, fields in _records(run_dir / CONTAINERS)
    }


def read_exits(run_dir: Path) -> dict[str, ExitRecord]:
    """Every exit that was not forgotten, by id."""
    return {
        name: ExitRecord(
            name,
            fields["kind"] == "exec",
            int(fields["pid"]),
            int(fields["status"]),
            int(fields["started"]),
            int(fields["finished"]),
        )
        for name, fields in _records(run_dir / EXITS)
    }


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot: /proc/PID/stat, field 22. Raises OSError if there is none."""
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat.rpartition(b")")[2].split()[19])  # the name, field 2, may hold spaces and parentheses
