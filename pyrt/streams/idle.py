"""Connections on which nothing has moved for hours are given up (kubelet's streamingConnectionIdleTimeout)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class IdleWatch:
    """Calls ``expired`` once when :meth:`touch` has not been called for ``seconds``; 0 watches nothing."""

    def __init__(self, seconds: float, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._expired = expired
        self._touched = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._look) if seconds > 0 else None

    def touch(self) -> None:
        """Something has moved. As cheap as it can be: the timer itself is left alone."""
        self._touched = self._loop.time()

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        at = self._touched + self._seconds
        if self._loop.time() >= at:
            self._timer = None
            self._expired()
        else:
            self._timer = self._loop.call_at(at, self._look)
