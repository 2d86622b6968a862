"""Pods that start go before what only clears away behind those that have ended.

Both want the same processors and the same locks of the kernel. Whoever waits for a pod notices every millisecond of it;
that a dead pod's namespaces and cgroups are there a moment longer, nobody notices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_QUIET: Final = 0.01
"""Seconds since the last start, before anything is cleared away."""
LONGEST: Final = 1.0
"""Seconds that it waits at most, however many pods start."""
_BEAT: Final = 0.01
_AT_ONCE: Final = 4
"""At a beat, once it is quiet: the next pod must not find fifty removals in front of it."""


class Rush:
    """Counts the pods that are being started. One event loop."""

    def __init__(self) -> None:
        self._starting = 0
        self._ended = float("-inf")
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A pod is being started."""
        self._starting += 1

    def end(self) -> None:
        """It is, or it has failed."""
        self._starting -= 1
        self._ended = asyncio.get_running_loop().time()

    @property
    def on(self) -> bool:
        """Whether somebody waits for a pod just now."""
        return not self._quiet(asyncio.get_running_loop().time())

    async def over(self) -> None:
        """Return when no pod is being started, after a second at the latest."""
        loop = asyncio.get_running_loop()
        if not self._waiting and self._quiet(loop.time()):
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append((loop.time() + LONGEST, turn))
        if self._timer is None:
            self._timer = loop.call_later(_BEAT, self._beat)
        await turn

    def _quiet(self, now: float) -> bool:
        return not self._starting and now - self._ended >= _QUIET

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        left = _AT_ONCE if self._quiet(now) else 0
        while self._waiting:
            deadline, turn = self._waiting[0]
            if not turn.done():
                if left <= 0 and deadline > now:
                    break
                left -= 1
                turn.set_result(None)
            self._waiting.popleft()
        self._timer = loop.call_later(_BEAT, self._beat) if self._waiting else None
