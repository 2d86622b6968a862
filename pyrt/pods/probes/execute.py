"""exec: a command in the container; exit 0 is success (kubelet, ``probe/exec/exec.go``).

The pod's own process starts it: no runtime binary, no helper in the image. What ends by itself is judged by its exit
code, what takes too long is killed; a command that cannot even be started tells nothing of the container's health.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from dataclasses import dataclass
from typing import Final

from pyrt.errors import PyrtError
from pyrt.ids import ContainerId
from pyrt.pods.backoff import period_text
from pyrt.pods.probes.report import Attempt, Done, Outcome, Report
from pyrt.runtime import Runtime
from pyrt.runtime.errors import ExecTimeoutError

log = logging.getLogger(__name__)

OUTPUT_MAX: Final = 10 * 1024
"""Bytes of output that are kept (kubelet, ``maxReadLength``)."""


@dataclass(frozen=True, slots=True)
class ExecCheck:
    """What to run, where, and for how many seconds at most."""

    runtime: Runtime
    container_id: ContainerId
    command: tuple[str, ...]
    timeout: int
    keeps_time: bool = True

    def begin(self, done: Done) -> Attempt:
        """Run it once."""
        return _ExecAttempt(self, done)

    async def run(self) -> Report:
        """Run it to its end."""
        try:
            result = await self.runtime.exec_sync(
                self.container_id, self.command, timeout=self.timeout, limit=OUTPUT_MAX
            )
        except ExecTimeoutError:
            words = " ".join(self.command)
            text = f'command timed out: "{words}" timed out after {period_text(self.timeout)}'
            return Report(Outcome.FAILURE, text)
        except PyrtError as error:
            return Report(Outcome.ERROR, str(error))
        if result.exit_code == 0:
            return _RAN_WELL
        return Report(Outcome.FAILURE, (result.stdout + result.stderr)[:OUTPUT_MAX].decode(errors="replace"))


_RAN_WELL: Final = Report(Outcome.SUCCESS)


class _ExecAttempt:
    __slots__ = ("_done", "_task")

    def __init__(self, check: ExecCheck, done: Done) -> None:
        self._done = done
        self._task = asyncio.get_running_loop().create_task(check.run(), name=f"probe {shlex.join(check.command)[:40]}")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Report]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("exec probe: internal error", exc_info=error)
            self._done(Report(Outcome.ERROR, "internal error"))
        else:
            self._done(task.result())

    def expire(self) -> Report:
        """The runtime keeps the time; this is for a runtime that has lost it."""
        self._task.cancel()
        return Report(Outcome.ERROR, "the command's end was not told")

    def cancel(self) -> None:
        self._task.cancel()
