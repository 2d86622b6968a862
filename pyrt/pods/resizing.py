"""Carrying out a resize of a running pod, and telling when it is done."""

from __future__ import annotations

import time

import msgspec

from pyrt.errors import PyrtError
from pyrt.pods import resize
from pyrt.pods.errors import ResizeError
from pyrt.pods.model import Failure, Observed, ResizePod, ResizeStep
from pyrt.pods.state import PodState
from pyrt.pods.translate import resources_annotation


async def carry_out(state: PodState, action: ResizePod) -> None:
    """Write the limits, in order. What went wrong is recorded and told; the rest is tried again later.

    Raises
    ------
    PyrtError: a limit could not be written, or memory that is in use would have been taken away.
    """
    allocation, view = state.allocation, state.view
    assert allocation is not None
    try:
        _refuse_below_use(state, action)
        for step in action.steps:
            await _write(state, action, step)
    except PyrtError as error:
        text = str(error)
        known = state.resize_failure
        state.resize_failure = Failure.after(known, "Error", text, time.time_ns())
        if known is None or known.message != text:
            state.warn("ResizeError", resize.summary("error", view, allocation.generation, text))
        raise
    state.resize_failure = None


def _refuse_below_use(state: PodState, action: ResizePod) -> None:
    """Below what is in use the kernel would refuse (cgroup v1) or kill (v2): the kubelet looks first, and so do we."""
    runtime = state.tools.runtime
    shrinks = []
    for step in action.steps:
        if step.shrinks_memory_to:
            if step.container_id is None:
                stats = runtime.sandbox_cgroup(action.sandbox_id)
            else:
                stats = runtime.container_cgroup(step.container_id)
            shrinks.append((step, stats.memory_usage))
    if text := resize.refusal_of(shrinks):
        raise ResizeError(text)


async def _write(state: PodState, action: ResizePod, step: ResizeStep) -> None:
    runtime = state.tools.runtime
    if step.container_id is None:
        await runtime.update_sandbox_resources(action.sandbox_id, step.resources)
    else:
        assert step.requirements is not None
        await runtime.update_resources(step.container_id, step.resources, resources_annotation(step.requirements))


def settle(state: PodState, observed: Observed) -> None:
    """Tell, once, that everything that was given has arrived."""
    allocation, view = state.allocation, state.view
    if allocation is None or allocation.done or resize.in_progress(view, observed):
        return
    state.allocation = msgspec.structs.replace(allocation, done=True)
    state.tools.keeper.keep_allocation(view.metadata.uid, state.allocation)
    state.tell("ResizeCompleted", resize.summary("completed", view, allocation.generation))
