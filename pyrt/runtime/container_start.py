"""Starting a container: its plan goes to the pod process, the answer comes after execve."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

from pyrt.errors import PyrtError
from pyrt.ids import ContainerId
from pyrt.launch.errors import LaunchError
from pyrt.runtime.config import Owner
from pyrt.runtime.container_create import compile_plan
from pyrt.runtime.container_exit import finish
from pyrt.runtime.container_plans import ContainerPlan
from pyrt.runtime.core import Core
from pyrt.runtime.errors import StartError, StateError
from pyrt.runtime.pid_namespace import pid_target
from pyrt.runtime.poderrors import PlanFailedError, PodProcessError
from pyrt.runtime.podstreams import ContainerIo, StartedProcess
from pyrt.runtime.records import ContainerRecord
from pyrt.runtime.status import ContainerState, EventKind

CANNOT_RUN = "ContainerCannotRun"
"""The reason for a command that is not there (127) or not executable (126); other failures are StartError with 128."""


class Launch:
    """A container whose plan has been sent, and not been answered yet."""

    __slots__ = ("_answer", "_core", "_plan", "record")

    def __init__(
        self, core: Core, record: ContainerRecord, plan: ContainerPlan, answer: asyncio.Future[StartedProcess]
    ) -> None:
        self._core = core
        self.record = record
        self._plan = plan
        self._answer = answer

    async def started(self) -> None:
        """Wait for execve. Raises :class:`StartError`; the container is EXITED then, and says why."""
        core, record = self._core, self.record
        try:
            process = await self._answer
        except PodProcessError as error:
            failure = explain(record, self._plan, error)
            if record.id in core.containers:
                fail(core, record, failure)
            raise failure from error
        finally:
            core.starting.pop(record.id, None)
        if record.state is ContainerState.CREATED:  # else it has ended already, and the exit told both
            set_running(core, record, process.pid, process.started_at)


def set_running(core: Core, record: ContainerRecord, pid: int, started_at: int) -> None:
    """Take note of a started process, and tell."""
    record.state, record.pid, record.started_at = ContainerState.RUNNING, pid, started_at
    core.write_later(record)
    core.emit(EventKind.STARTED, record.sandbox_id, record.id, started_at)


def begin_start(core: Core, container_id: ContainerId) -> Launch:
    """Send the plan. Raises :class:`StartError` or :class:`StateError`."""
    record = core.container(container_id)
    subject = f"container {record.config.name}"
    pod = core.pods.get(record.sandbox_id)
    if record.state is not ContainerState.CREATED or container_id in core.starting:
        raise StateError(f"it is {record.state.value}, and starts once only", subject=subject, operation="start")
    if pod is None:
        raise StateError("its sandbox is not running", subject=subject, operation="start")
    config = record.config
    try:
        sandbox = core.sandboxes[record.sandbox_id]
        plan = core.programs.pop(container_id, None) or ContainerPlan(compile_plan(core, sandbox, record))
        with ExitStack() as stack:
            answer = pod.start(
                container_id,
                plan.encoded(stack),
                ContainerIo(
                    log_path=log_path(core, record),
                    stdin=config.stdin,
                    stdin_once=config.stdin_once,
                    tty=config.tty,
                    log_max_size=_rotated_at(core, record),
                    log_max_files=core.config.logs.max_files,
                ),
                target=pid_target(sandbox, record),
                shared_pid_namespace=not plan.plan.leads_pid_namespace,
            )
    except LaunchError as error:
        failure = StartError(str(error), subject=subject)
        fail(core, record, failure)
        raise failure from error
    core.starting[container_id] = answer
    return Launch(core, record, plan, answer)


def explain(record: ContainerRecord, plan: ContainerPlan, error: PodProcessError) -> StartError:
    """The pod process's (index, errno) in words, with the exit code a shell would give."""
    subject = f"container {record.config.name}"
    if not isinstance(error, PlanFailedError) or error.errno is None:
        return StartError(error.message, subject=subject, operation=error.operation or "start", errno=error.errno)
    failure = plan.failure(error.index, error.errno)
    code = failure.exit_code or 128
    return StartError(
        failure.message, subject=subject, operation=failure.operation, errno=failure.errno, exit_code=code
    )


def fail(core: Core, record: ContainerRecord, error: StartError) -> None:
    """Make a container that could not start EXITED, with the reason in its status."""
    finish(
        core,
        record,
        exit_code=error.exit_code,
        reason=CANNOT_RUN if error.exit_code in (126, 127) else error.reason,
        finished_at=time.time_ns(),
        message=str(PyrtError(error.message, operation=error.operation, errno=error.errno)),
    )


def log_path(core: Core, record: ContainerRecord) -> Path | None:
    """The container's log file, absolute; ``None`` for CRI clients that want none."""
    directory = core.sandboxes[record.sandbox_id].config.log_directory
    return directory / record.config.log_path if str(record.config.log_path) not in ("", ".") else None


def _rotated_at(core: Core, record: ContainerRecord) -> int:
    """Bytes; 0, never: a kubelet rotates the logs of its containers itself, and asks to have them opened anew."""
    owner = core.sandboxes[record.sandbox_id].config.owner
    return int(core.config.logs.max_size) if owner is Owner.API else 0


async def start_container(core: Core, container_id: ContainerId) -> None:
    """See :meth:`pyrt.runtime.Runtime.start_container`."""
    await begin_start(core, container_id).started()
