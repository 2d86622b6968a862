"""One operation at a time for a sandbox, and nothing beside a garbage collection."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from pyrt.network.cni.exclusion import Exclusion


class Step:
    """Somebody that holds something until told."""

    def __init__(self, hold: AbstractAsyncContextManager[None]) -> None:
        self.inside = False
        self._done = asyncio.Event()
        self._task = asyncio.create_task(self._run(hold))

    async def _run(self, hold: AbstractAsyncContextManager[None]) -> None:
        async with hold:
            self.inside = True
            await self._done.wait()
            self.inside = False

    async def end(self) -> None:
        self._done.set()
        await self._task

    async def cancel(self) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sandboxes_do_not_wait_for_each_other_but_for_themselves() -> None:
    exclusion = Exclusion()
    one, other, again = (Step(exclusion.sandbox(name)) for name in ("a", "b", "a"))
    await settle()
    assert (one.inside, other.inside, again.inside) == (True, True, False)
    await one.end()
    await settle()
    assert again.inside
    await again.end()
    await other.end()


async def test_a_collection_waits_for_all_and_all_wait_for_it() -> None:
    exclusion = Exclusion()
    one = Step(exclusion.sandbox("a"))
    await settle()
    alone, second = Step(exclusion.alone()), Step(exclusion.alone())
    await settle()
    later = Step(exclusion.sandbox("b"))
    await settle()
    assert (alone.inside, second.inside, later.inside) == (False, False, False)
    await one.end()
    await settle()
    assert (alone.inside, second.inside, later.inside) == (True, False, False)
    await alone.end()
    await settle()
    assert (second.inside, later.inside) == (True, False)
    await second.end()
    await settle()
    assert later.inside
    await later.end()


async def test_who_gives_up_holds_nobody() -> None:
    exclusion = Exclusion()
    one = Step(exclusion.sandbox("a"))
    await settle()
    waiting, alone = Step(exclusion.sandbox("a")), Step(exclusion.alone())
    await settle()
    other = Step(exclusion.sandbox("b"))
    await settle()
    assert not other.inside
    await waiting.cancel()
    await alone.cancel()
    await settle()
    assert other.inside
    await one.cancel()
    last = Step(exclusion.sandbox("a"))
    await settle()
    assert last.inside
    await last.end()
    await other.end()
