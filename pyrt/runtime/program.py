"""What every program of a pod is besides its plan: mortal with its pod process."""

from __future__ import annotations

import signal
from dataclasses import replace

from pyrt.launch.operations import Birth, Block, Exec, Operation, ParentDeathSignal, Seccomp
from pyrt.launch.plan import Plan

_DIE = Block.of(ParentDeathSignal(signal.SIGKILL))


def die_with_pod(plan: Plan) -> Plan:
    """The process is killed when the pod process dies: nobody would be left to log its output and to note its end.

    The signal is asked for after the credentials have changed, which would clear it, and before a filter that might
    forbid it (PR_SET_PDEATHSIG(2const)). A set-user-ID program clears it all the same; its cgroup is then emptied by
    the daemon.
    """
    items = plan.items
    born = max((index for index, item in enumerate(items) if _is_birth(item)), default=-1)  # a new process asks anew
    at = next(index for index, item in enumerate(items) if index > born and isinstance(item, (Seccomp, Exec)))
    return replace(plan, items=(*items[:at], _DIE, *items[at:]))


def _is_birth(item: Operation | Block) -> bool:
    return any(isinstance(op, Birth) for op in (item.operations if isinstance(item, Block) else (item,)))
