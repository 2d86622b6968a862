"""Removing cgroups of containers that have ended, off everybody's path."""

from __future__ import annotations

import asyncio
import logging

from pyrt.cgroups import CgroupDriver
from pyrt.runtime.rush import LONGEST, Rush

log = logging.getLogger(__name__)

_FIRST = 0.02
"""Seconds after the end: whoever waits for the exit is served first."""
_LONGEST = 1.0
_ATTEMPTS = 12
"""About five seconds in all. A process stuck in the kernel can hold a cgroup for longer; the sandbox's removal tries
again.
"""


class CgroupSweeper:
    """Bounded retries with growing pauses: v1 has no event that says a cgroup has become empty."""

    def __init__(self, driver: CgroupDriver, rush: Rush) -> None:
        self._driver = driver
        self._rush = rush
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def later(self, path: str) -> None:
        """Remove ``path`` soon; what still runs in it (left behind in a shared PID namespace) is killed."""
        if path not in self._timers:
            self._timers[path] = asyncio.get_running_loop().call_later(_FIRST, self._begin, path, _FIRST)

    def cancel(self, path: str) -> None:
        """Forget ``path`` and all below it: somebody else removes it."""
        for name in [name for name in self._timers if name == path or name.startswith(f"{path}/")]:
            self._timers.pop(name).cancel()

    def give_up(self, path: str) -> None:
        """``path`` is about to be used again: kill what an earlier sandbox left in it now, and never later."""
        if path in self._timers:
            self._driver.kill(path)
        self.cancel(path)

    def close(self) -> None:
        """Try everything that waits once more, and stop."""
        for path, timer in self._timers.items():
            timer.cancel()
            self._driver.remove(path)
        self._timers.clear()

    def _begin(self, path: str, waited: float) -> None:
        if waited < LONGEST and self._rush.on:
            timer = asyncio.get_running_loop().call_later(_FIRST, self._begin, path, waited + _FIRST)
            self._timers[path] = timer
        else:
            self._try(path, 1, _FIRST)

    def _try(self, path: str, attempt: int, pause: float) -> None:
        del self._timers[path]
        if self._driver.remove(path):
            return
        self._driver.kill(path)
        if attempt == _ATTEMPTS:
            log.warning("cgroup %s is still busy: processes %s", path, self._driver.processes(path))
            return
        pause = min(_LONGEST, pause * 2)
        self._timers[path] = asyncio.get_running_loop().call_later(pause, self._try, path, attempt + 1, pause)
