"""A plan in the bytes that the player wants, and the descriptors that go with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pyrt.launch.plan import Plan
from pyrt.runtime.protocol import MAX_MESSAGE, NO_SLOT

_INLINE: Final = MAX_MESSAGE - 8192
"""Bytes of the largest plan that goes into a packet."""


@dataclass(frozen=True, slots=True)
class EncodedPlan:
    """A plan as the player wants it (native/plan.h), with the descriptors that it names.

    ``fds`` fill the plan's descriptor table in order, except for two entries that only the pod process can fill:
    ``target_slot`` gets a pidfd of the target container, ``console_slot`` the socket on which the player hands back the
    master of the terminal that it opened. Negative numbers in ``fds`` stand for these two and are skipped
    (:meth:`pyrt.launch.plan.Plan.open_fds` puts them there).
    """

    data: bytes
    fds: Sequence[int] = ()
    target_slot: int | None = None
    console_slot: int | None = None

    @classmethod
    def of(cls, plan: Plan, stack: contextlib.ExitStack) -> EncodedPlan:
        """Encode a plan and open the descriptors that it names; ``stack`` closes them, when they have been sent."""
        return cls(plan.encode(), plan.open_fds(stack), plan.target_slot, plan.console_slot)

    @property
    def given(self) -> list[int]:
        """The descriptors that travel with the plan."""
        return [fd for fd in self.fds if fd >= 0]

    @property
    def slots(self) -> int:
        """Entries of the table."""
        return len(self.given) + (self.target_slot is not None) + (self.console_slot is not None)

    @property
    def places(self) -> tuple[int, int, int]:
        """Entries of the table, and the two that the pod process fills, as START and EXEC name them."""
        target = NO_SLOT if self.target_slot is None else self.target_slot
        console = NO_SLOT if self.console_slot is None else self.console_slot
        return self.slots, target, console

    def pack(self) -> tuple[bytes, list[int]]:
        """The plan as it goes into a packet, and the packet's descriptors. A large plan is empty here, and in the
        first descriptor, which is to be given to :func:`close_packed`.
        """
        if len(self.data) <= _INLINE:
            return self.data, self.given
        memfd = os.memfd_create("plan", os.MFD_CLOEXEC)
        try:
            rest = memoryview(self.data)
            while rest:
                rest = rest[os.write(memfd, rest) :]
        except BaseException:
            os.close(memfd)
            raise
        return b"", [memfd, *self.given]


def close_packed(data: bytes, fds: list[int]) -> None:
    """Close what :meth:`EncodedPlan.pack` has opened, once it is sent."""
    if not data:
        os.close(fds[0])
