"""Another process in a running container, as a plan."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from msgspec.structs import replace

from pyrt.launch import constants as k
from pyrt.launch.context import ExecContext
from pyrt.launch.execute import compile_exec
from pyrt.launch.plan import Plan
from pyrt.launch.table import TARGET
from pyrt.runtime.config import NamespaceMode
from pyrt.runtime.container_create import cgroup_place, spec_of
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.core import Core, Program
from pyrt.runtime.pid_namespace import pid_mode
from pyrt.runtime.program import die_with_pod
from pyrt.runtime.records import ContainerRecord
from pyrt.runtime.tracers import has_to_hide

_KEPT: Final = 4
"""Commands of a container that are kept ready."""


def exec_program(core: Core, record: ContainerRecord, command: tuple[str, ...], *, tty: bool) -> Program:
    """The plan of :func:`exec_plan`, and its encoding, made only the first time."""
    known = core.execs.setdefault(record.id, OrderedDict())
    # A guest with CAP_SYS_PTRACE may have joined the container since, and what was made before would not hide from it.
    key = command, tty, has_to_hide(core, core.sandboxes[record.sandbox_id], record)
    found = known.get(key)
    if found is None:
        plan = exec_plan(core, record, command, tty=tty)
        found = known[key] = (plan, plan.encode())
        if len(known) > _KEPT:
            known.popitem(last=False)
    return found


def exec_plan(core: Core, record: ContainerRecord, command: tuple[str, ...], *, tty: bool) -> Plan:
    """The same user, environment, rights and filter as the container's own process; another command.

    Network, IPC and UTS are the pod process's own, which the new process inherits.
    """
    sandbox = core.sandboxes[record.sandbox_id]
    spec = core.specs.get(record.id)
    if spec is None:
        spec = core.specs[record.id] = spec_of(core, sandbox, record)
    assert spec.process is not None
    assert spec.linux is not None
    process = spec.process
    environment = process.env
    if tty and not any(variable.startswith("TERM=") for variable in environment):
        environment = (*environment, "TERM=xterm")
    namespaces = k.CLONE_NEWNS | k.CLONE_NEWCGROUP
    if pid_mode(sandbox, record) is not NamespaceMode.NODE or record.config.pid_target:
        namespaces |= k.CLONE_NEWPID
    plan = compile_exec(
        replace(process, args=command, terminal=tty, env=environment),
        spec.linux,
        ExecContext(
            namespaces=namespaces,
            target=TARGET,
            cgroup=cgroup_place(core.cgroups.join(cgroup_of(core, record)), core.cgroup_mounts),
            features=core.features,
            user_namespace=sandbox.config.user_namespace,
            hidden=has_to_hide(core, sandbox, record),
        ),
    )
    return die_with_pod(plan)
