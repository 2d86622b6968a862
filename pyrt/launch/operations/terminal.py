"""Operations on the terminal and the standard streams."""

from __future__ import annotations

from pyrt.launch.operations.base import Operation, operation
from pyrt.records import dataclass


@operation
@dataclass(frozen=True, slots=True)
class SetSid(Operation):
    """setsid(2)."""

    CODE = 40
    SIGNATURE = ""

    def describe(self) -> str:
        return "start session"


@operation
@dataclass(frozen=True, slots=True)
class Terminal(Operation):
    """A new terminal of the container's devpts: its master goes to ``socket``, it becomes 0, 1, 2 and controls the
    session.
    """

    CODE = 41
    SIGNATURE = "ffsfsuu"
    socket: int
    at: int
    ptmx: str
    root: int
    console: str
    rows: int = 0
    columns: int = 0

    def describe(self) -> str:
        return "open terminal" + (f", mounted on {self.console}" if self.console else "")


@operation
@dataclass(frozen=True, slots=True)
class StdioOwner(Operation):
    """Give the standard streams to a user, so that it can open /dev/stdout again."""

    CODE = 42
    SIGNATURE = "u"
    uid: int

    def describe(self) -> str:
        return f"give standard streams to uid {self.uid}"


@operation
@dataclass(frozen=True, slots=True)
class Control(Operation):
    """Make the terminal on standard input the controlling one of a session that begins later than the terminal."""

    CODE = 43
    SIGNATURE = ""
    SINCE = 2

    def describe(self) -> str:
        return "take control of the terminal"
