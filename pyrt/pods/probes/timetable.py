"""When to do many small things: one timer for all of them.

Every wait of an event loop has its price, whatever is done after it. Times are therefore rounded up to a grid of 20 ms,
and what falls into one slot is done in one go. Times are of the loop's clock, in seconds.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

GRID: Final = 0.02
"""Seconds between two slots."""


class Entry:
    """Something to be done; :meth:`cancel` is cheap and may come twice."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not do it."""
        self.callback = None


class Timetable:
    """One event loop; made when it is first needed."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop if loop is not None else asyncio.get_running_loop()
        self._slots: dict[int, list[Entry]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0
        self._running = False

    def now(self) -> float:
        """The clock."""
        return self._loop.time()

    def at(self, when: float, callback: Callable[[], None]) -> Entry:
        """Call back in the slot of ``when``, or the next one after it."""
        entry = Entry(callback)
        slot = math.ceil(when / GRID)
        entries = self._slots.get(slot)
        if entries is None:
            self._slots[slot] = [entry]
            heapq.heappush(self._order, slot)
            if not self._running and (self._timer is None or slot < self._armed):
                self._arm(slot)
        else:
            entries.append(entry)
        return entry

    def close(self) -> None:
        """Do nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()
        self._order.clear()

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = slot
        self._timer = self._loop.call_at(slot * GRID, self._run)

    def _run(self) -> None:
        self._timer = None
        self._running = True
        now = self._loop.time()
        try:
            while self._order and self._order[0] * GRID <= now:
                for entry in self._slots.pop(heapq.heappop(self._order)):
                    if entry.callback is not None:
                        self._call(entry.callback)
        finally:
            self._running = False
            self._skip_idle()
            if self._order:
                self._arm(self._order[0])

    @staticmethod
    def _call(callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            log.exception("probe: internal error")  # of one probe; the others of its slot are not to suffer

    def _skip_idle(self) -> None:
        """A slot in which everything was cancelled (probes that answered in time) is no reason to wake up."""
        while self._order and all(entry.callback is None for entry in self._slots[self._order[0]]):
            del self._slots[heapq.heappop(self._order)]
