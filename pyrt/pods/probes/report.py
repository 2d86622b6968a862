"""What comes of asking a container once, and how an asking is held."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Outcome(enum.Enum):
    """The kubelet's four (``probe/probe.go``); the value is its word for an error's state."""

    SUCCESS = "success"
    WARNING = "warning"
    """A success with something to be said."""
    FAILURE = "failure"
    ERROR = "unknown"
    """Nothing was learned of the container; thrown away."""


@dataclass(frozen=True, slots=True)
class Report:
    """One answer; ``text`` goes into the event."""

    outcome: Outcome
    text: str = ""


Done = Callable[[Report], None]
"""Called once, with the report; perhaps before the asking has returned."""


class Attempt(Protocol):
    """An asking under way."""

    def expire(self) -> Report:
        """Its time is over: give up, and say what is to be said. ``done`` is not called any more."""

    def cancel(self) -> None:
        """Nobody wants to know any more. ``done`` is not called."""


class Check(Protocol):
    """A way to ask, with everything that it takes: begun as often as the period says."""

    @property
    def keeps_time(self) -> bool:
        """Whether it ends by itself when its time is over."""

    def begin(self, done: Done) -> Attempt:
        """Ask once."""
