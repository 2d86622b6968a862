"""The end of a container: from what the pod process saw to what its status says."""

from __future__ import annotations

import logging
import signal

from pyrt.ids import ContainerId
from pyrt.runtime.core import Core
from pyrt.runtime.podfiles import ExitRecord
from pyrt.runtime.records import ContainerRecord
from pyrt.runtime.status import ContainerState, EventKind

log = logging.getLogger(__name__)

KILLED = 128 + signal.SIGKILL
UNKNOWN_EXIT_CODE = 255
"""Of a container whose end nobody saw (the machine went down)."""


def reason_of(exit_code: int, oom_kills: int) -> str:
    """``OOMKilled`` needs both the counter and the exit code: the counter also counts children that the container
    survived.
    """
    if exit_code == 0:
        return "Completed"
    return "OOMKilled" if oom_kills and exit_code == KILLED else "Error"


def container_exited(core: Core, container_id: ContainerId, exit_record: ExitRecord) -> None:
    """Take note of an end that the pod process has written down. Idempotent."""
    record = core.containers.get(container_id)
    if record is None or record.state is ContainerState.EXITED:
        return
    if record.state is ContainerState.CREATED:  # it ended before anybody looked
        record.started_at = exit_record.started
        core.emit(EventKind.STARTED, record.sandbox_id, record.id, exit_record.started)
    path = cgroup_of(core, record)
    ooms = core.cgroups.oom_kills(path) if exit_record.exit_code == KILLED else 0
    finish(
        core,
        record,
        exit_code=exit_record.exit_code,
        signal_number=exit_record.signal,
        reason=reason_of(exit_record.exit_code, ooms),
        started_at=exit_record.started,
        finished_at=exit_record.finished,
    )


def finish(
    core: Core,
    record: ContainerRecord,
    *,
    exit_code: int,
    reason: str,
    finished_at: int,
    started_at: int = 0,
    signal_number: int = 0,
    message: str = "",
) -> None:
    """Make ``record`` EXITED, tell everyone, then write it and remove the cgroup behind everybody's back."""
    record.state = ContainerState.EXITED
    record.exit_code, record.signal, record.reason, record.message = exit_code, signal_number, reason, message
    record.started_at = started_at or record.started_at
    record.finished_at = max(finished_at, record.started_at)
    record.pid = 0
    core.specs.pop(record.id, None)
    core.execs.pop(record.id, None)
    core.programs.pop(record.id, None)
    waiter = core.exits.pop(record.id, None)
    if waiter is not None:
        waiter.set()
    core.write_later(record)
    core.emit(EventKind.STOPPED, record.sandbox_id, record.id, record.finished_at)
    core.sweeper.later(cgroup_of(core, record))


def cgroup_of(core: Core, record: ContainerRecord) -> str:
    """The container's cgroup, below the configured parent."""
    return f"{core.sandboxes[record.sandbox_id].config.cgroup_parent}/{record.id}"
