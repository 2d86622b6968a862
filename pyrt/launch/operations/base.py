"""The operations of a plan: one frozen dataclass each, which can encode itself for the player and describe itself to
people.

The fields of a class are the operation's arguments, in the order of ``SIGNATURE``; native/plan_ops.h says what the
letters and the operations mean, and a test compares the two tables. A path after ``at`` is resolved under that
descriptor and cannot leave it, except with ``HOST``.
"""

from __future__ import annotations

from collections.abc import Callable

from pyrt.launch.encoding import encode_record, encoders
from pyrt.records import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from typing import Any, ClassVar, TypeVar

HOST = 0xFFFFFFFE
"""Instead of a descriptor: absolute paths from the current root directory."""
NO_FD = 0xFFFFFFFF
"""Instead of a descriptor or slot: none."""
SLOT = 0x10000
"""The player's slot i, which an earlier operation filled, is the descriptor ``SLOT + i``."""

ROOT = SLOT + 0
"""By convention: the container's root directory."""
PROC = SLOT + 1
"""By convention: a procfs that the player mounted itself."""
DEV = SLOT + 2
"""By convention: the container's /dev."""
PTS = SLOT + 3
"""By convention: the container's devpts."""
POD_NETLINK = SLOT + 4
"""By convention: a netlink socket in the pod's network namespace."""
HOST_NETLINK = SLOT + 5
"""By convention: a netlink socket in the host's network namespace."""

USERNS = SLOT + 6
"""By convention: the pod's user namespace."""


class Operation:
    """What all operations share. Subclasses are frozen dataclasses."""

    __slots__ = ()
    CODE: ClassVar[int]
    SIGNATURE: ClassVar[str]
    SINCE: ClassVar[int] = 1
    """The version of the plan that brought it (PLAN_VERSION in native/plan_ops.h)."""
    _NAMES: ClassVar[tuple[str, ...]]
    _ENCODERS: ClassVar[tuple[Callable[[Any], bytes], ...]]

    def arguments(self) -> tuple[Any, ...]:
        """The values that travel, in the signature's order."""
        return tuple(getattr(self, name) for name in self._NAMES)

    def encode(self) -> bytes:
        """The record of this operation."""
        return encode_record(self.CODE, self._ENCODERS, self.arguments())

    def describe(self) -> str:
        """One line for people; the beginning of an error message."""
        raise NotImplementedError


OPERATIONS: dict[int, type[Operation]] = {}
"""Every operation by its code."""

if TYPE_CHECKING:
    T = TypeVar("T", bound=Operation)


def operation(cls: type[T]) -> type[T]:
    """Register an operation under its code."""
    cls._NAMES = tuple(name for name in cls._record_ if name != "note")  # type: ignore[attr-defined]
    cls._ENCODERS = encoders(cls.SIGNATURE)
    OPERATIONS[cls.CODE] = cls
    return cls


@dataclass(frozen=True, slots=True)
class Block:
    """A run of operations that never changes, encoded once."""

    operations: tuple[Operation, ...]
    encoded: bytes

    @staticmethod
    def of(*operations: Operation) -> Block:
        """Encode the operations."""
        return Block(operations, b"".join([op.encode() for op in operations]))
