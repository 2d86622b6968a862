"""Counting bytes, and telling those who want to know, at a pace that people can read."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyrt.ids import Digest
from pyrt.images.types import LayerProgress, LayerState, Progress

_INTERVAL = 0.1
"""Seconds between two observations of one layer."""


class LayerMeter:
    """The progress of one layer."""

    def __init__(self, digest: Digest, total: int, tell: Progress) -> None:
        self._digest = digest
        self._total = total
        self._tell = tell
        self._done = 0
        self._begun = self._told = time.monotonic()
        self._state = LayerState.WAITING
        self.state(LayerState.WAITING)

    def state(self, state: LayerState) -> None:
        """Tell of a change at once."""
        if state is LayerState.DOWNLOADING and self._state is LayerState.WAITING:
            self._begun = time.monotonic()
        if state in (LayerState.DONE, LayerState.PRESENT):
            self._done = self._total
        self._state = state
        self._say(time.monotonic())

    def count(self, size: int) -> None:
        """``size`` more bytes have gone through."""
        self._done += size
        now = time.monotonic()
        if self._state is LayerState.RETRYING:
            self._state = LayerState.DOWNLOADING
        if now - self._told >= _INTERVAL:
            self._say(now)

    def _say(self, now: float) -> None:
        self._told = now
        elapsed = now - self._begun
        rate = self._done / elapsed if elapsed > 0 and self._state is not LayerState.PRESENT else 0.0
        self._tell(LayerProgress(self._digest, self._done, self._total, self._state, rate))


class Audience:
    """Those who listen to one pull; more may come while it runs, and hear first where each layer is."""

    def __init__(self) -> None:
        self._listeners: list[Progress] = []
        self._last: dict[Digest, LayerProgress] = {}

    def join(self, listener: Progress) -> Callable[[], None]:
        """Listen; call the result to stop."""
        self._listeners.append(listener)
        for one in self._last.values():
            listener(one)
        return lambda: self._listeners.remove(listener)

    def tell(self, progress: LayerProgress) -> None:
        """Pass on one observation."""
        self._last[progress.digest] = progress
        for listener in tuple(self._listeners):
            listener(progress)
