"""Entering a PID namespace in which somebody has CAP_SYS_PTRACE.

That capability looks into any process that it can see, dumpable or not, and a process on its way into a container has
all of the runtime's rights: whoever stops it then has them too. So the plan is played outside of the PID namespace.
setns(2) with a PID namespace is for children only; when the process has given everything up that the container does not
have, descriptors too, it is born a second time, inside, and has nothing left to do but to execute the program.

A procfs shows the PID namespace of its mounter, now the wrong one: it comes from whoever is inside already. The
files of /proc/self are written through one of the player's own, and outlast the birth.

A filter without no_new_privs has to be loaded before the birth (seccomp(2) wants CAP_SYS_ADMIN), and then must let
clone, setsid and prctl pass, as RuntimeDefault does.
"""

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
    Terminal,
    Umask,
)
from pyrt.launch.plan import OpenPath, Plan
from pyrt.launch.process import become, labels, limits, oom_score, personality
from pyrt.launch.table import CONSOLE, TARGET, FdTable
from pyrt.spec import Linux, Process

_BEGIN = Block.of(Umask(0), Dumpable(0), SessionKeyring())
_HOLD_ROOT = Block.of(Open(ROOT, HOST, "/"))


def compile_hidden_exec(process: Process, linux: Linux, context: ExecContext) -> Plan:
    """See :func:`pyrt.launch.execute.compile_exec`."""
    assert context.namespaces & k.CLONE_NEWPID
    fds = FdTable()
    target = fds.add(context.target)
    born_in = None if context.cgroup.directory is None else fds.add(OpenPath(context.cgroup.directory))
    ops: list[Operation | Block] = [_BEGIN, *join_cgroup(context.cgroup)]
    writes = [*oom_score(process), *labels(process, context.features)]
    if writes:
        ops += [PRIVATE_PROC, *writes]
    ops.append(SetNs(target, context.namespaces, "the container"))
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
        hidden=True,
        program=context.program,
    )
    return Plan(
        (*ops, *last),
        fds.sources(),
        cgroup_fd=born_in,
        console_slot=fds.place_of(CONSOLE.name),
        target_slot=fds.place_of(TARGET.name),
        warnings=tuple(warnings),
    )
