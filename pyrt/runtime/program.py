"""A plan on its way to the pod process."""

from __future__ import annotations

from contextlib import ExitStack

from pyrt.launch.plan import Plan, PodSupplied
from pyrt.runtime.podprocess import EncodedPlan


def place(plan: Plan, stack: ExitStack) -> EncodedPlan:
    """Encode ``plan`` and open the descriptors that it names; ``stack`` closes them once they are sent.

    Raises :class:`pyrt.launch.errors.LaunchError` when one cannot be opened.
    """
    fds = [source.open(stack) for source in plan.fds if not isinstance(source, PodSupplied)]
    return EncodedPlan(plan.encode(), fds, target_slot=plan.target_slot, console_slot=plan.console_slot)
