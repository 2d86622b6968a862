"""Another process in a running container -> plan."""

from __future__ import annotations

from pyrt.launch import constants as k
from pyrt.launch.container import PRIVATE_PROC, join_cgroup
from pyrt.launch.context import ExecContext
from pyrt.launch.operations import (
    HOST,
    NO_FD,
    ROOT,
    Block,
    Dumpable,
    Open,
    Operation,
    SessionKeyring,
    SetNs,
    SetSid,
    Terminal,
    Umask,
)
from pyrt.launch.plan import OpenPath, Plan
from pyrt.launch.process import become, labels, limits, oom_score, personality
from pyrt.launch.table import CONSOLE, TARGET, FdTable
from pyrt.spec import Linux, Process

_BEGIN = Block.of(Umask(0), Dumpable(0), SetSid(), SessionKeyring())
_HOLD_ROOT = Block.of(Open(ROOT, HOST, "/"))


def compile_exec(process: Process, linux: Linux, context: ExecContext) -> Plan:
    """The plan of a process that joins a container. ``linux`` is the container's own: its filter and personality hold.

    The cgroup files are opened before the mount namespace is joined; after that nothing is trusted that a path leads
    to.
    """
    if context.user_namespace is not None:
        from pyrt.launch.mapped import compile_mapped_exec  # it builds on this module

        return compile_mapped_exec(process, linux, context)
    if context.hidden:
        from pyrt.launch.hidden import compile_hidden_exec

        return compile_hidden_exec(process, linux, context)
    fds = FdTable()
    target = fds.add(context.target)
    born_in = None if context.cgroup.directory is None else fds.add(OpenPath(context.cgroup.directory))
    joined = context.namespaces & ~k.CLONE_NEWPID
    ops: list[Operation | Block] = [_BEGIN, *join_cgroup(context.cgroup), SetNs(target, joined, "the container")]
    writes = [*oom_score(process), *labels(process, context.features)]
    if writes:
        ops += [PRIVATE_PROC, *writes]
    if process.terminal:
        size = process.console_size
        rows, columns = (size.height & 0xFFFF, size.width & 0xFFFF) if size is not None else (0, 0)
        ops += [_HOLD_ROOT, Terminal(fds.add(CONSOLE), ROOT, "/dev/pts/ptmx", NO_FD, "", rows, columns)]
    ops += limits(process)
    ops += personality(linux.personality)
    last, warnings = become(
        process,
        linux.seccomp,
        context.features,
        give_stdio=context.give_stdio,
        wait=False,
        preserved=context.preserved,
        program=context.program,
    )
    ops += last
    return Plan(
        tuple(ops),
        fds.sources(),
        cgroup_fd=born_in,
        pidns_fd=target if context.namespaces & k.CLONE_NEWPID else None,
        console_slot=fds.place_of(CONSOLE.name),
        target_slot=fds.place_of(TARGET.name),
        warnings=tuple(warnings),
    )
