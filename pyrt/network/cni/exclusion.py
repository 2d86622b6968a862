"""Who may run plugins at the same time (SPEC 1.1.0, "Lifecycle & Ordering")."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager


class Exclusion:
    """One operation at a time for a sandbox, any number for different ones, and nothing beside a GC. One event loop."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self._busy: set[str] = set()
        self._queue = 0
        """Those that are, or want to be, alone: they go before what has not begun."""
        self._alone = False

    @asynccontextmanager
    async def sandbox(self, sandbox_id: str) -> AsyncGenerator[None, None]:
        """Hold one sandbox."""
        await self._until(lambda: sandbox_id not in self._busy and not self._queue)
        self._busy.add(sandbox_id)
        try:
            yield
        finally:
            self._busy.discard(sandbox_id)
            self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None, None]:
        """Hold all."""
        self._queue += 1
        try:
            await self._until(lambda: not self._busy and not self._alone)
            self._alone = True
            try:
                yield
            finally:
                self._alone = False
        finally:
            self._queue -= 1
            self._tell()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change

    def _tell(self) -> None:
        # Without waiting: whoever is cancelled here must have told the others.
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
