"""What clears away waits for what starts, and never for long."""

from __future__ import annotations

import asyncio

from pyrt.runtime.rush import Rush


async def test_nothing_starts() -> None:
    await asyncio.wait_for(Rush().over(), 1)


async def test_after_the_last_start_has_ended() -> None:
    rush = Rush()
    rush.begin()
    rush.begin()
    waiting = [asyncio.ensure_future(rush.over()) for _ in range(9)]
    rush.end()
    await asyncio.sleep(0)
    assert rush.on
    assert not any(task.done() for task in waiting)
    rush.end()
    await asyncio.gather(*waiting)
    assert not rush.on


async def test_not_for_ever() -> None:
    rush = Rush()
    rush.begin()
    await asyncio.gather(*(rush.over() for _ in range(9)))
    assert rush.on


async def test_one_that_was_cancelled_keeps_nobody() -> None:
    rush = Rush()
    rush.begin()
    gone, waiting = (asyncio.ensure_future(rush.over()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    rush.end()
    await waiting
