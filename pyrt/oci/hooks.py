"""Hooks: programs that a bundle wants run at moments of its container's life (config.md, "POSIX-platform Hooks").

Each gets the container's state on its standard input. A hook that fails undoes the creation or the start; after the
start and after the deletion it is only told of.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence

from pyrt import _native, quickjson
from pyrt.launch import ExecContext, LaunchError, Plan, PodSupplied
from pyrt.launch import constants as k
from pyrt.launch.operations import Dumpable, Exec, SetNs, SetSid
from pyrt.oci.errors import OciError
from pyrt.oci.log import LOG
from pyrt.oci.player import launch
from pyrt.spec import Hook, Linux, Process, replace

_MAX_OUTPUT = 4096


def run_on_host(kind: str, hooks: Sequence[Hook], state: dict[str, object], *, cwd: str) -> None:
    """Run hooks in the runtime's namespaces, in order. Raises :class:`OciError` for the first that fails."""
    for number, hook in enumerate(hooks):
        plan = Plan((Exec(hook.path, hook.args or (hook.path,), hook.env),))
        _run(kind, number, hook, plan, state, cwd=cwd)


def run_in_namespaces(kind: str, hooks: Sequence[Hook], state: dict[str, object], pid: int, namespaces: int) -> None:
    """Run hooks in the container's namespaces, whose root still is the host's (createContainer)."""
    for number, hook in enumerate(hooks):
        ops = (SetSid(), Dumpable(0), SetNs(0, namespaces & ~k.CLONE_NEWPID, "the container"))
        plan = Plan(
            (*ops, Exec(hook.path, hook.args or (hook.path,), hook.env)),
            (PodSupplied("container"),),
            pidns_fd=0 if namespaces & k.CLONE_NEWPID else None,
            target_slot=0,
        )
        _run(kind, number, hook, plan, state, pid=pid)


def run_in_container(
    kind: str,
    hooks: Sequence[Hook],
    state: dict[str, object],
    pid: int,
    process: Process,
    linux: Linux,
    context: ExecContext,
) -> None:
    """Run hooks as the container's own process would run them (startContainer)."""
    from pyrt.launch import compile_exec

    for number, hook in enumerate(hooks):
        own = replace(process, args=hook.args or (hook.path,), env=hook.env, terminal=False)
        plan = compile_exec(own, linux, _for_program(context, hook.path))
        _run(kind, number, hook, plan, state, pid=pid)


def _for_program(context: ExecContext, program: str) -> ExecContext:
    """The same context for another program."""
    import dataclasses

    return dataclasses.replace(context, program=program)


def _run(
    kind: str, number: int, hook: Hook, plan: Plan, state: dict[str, object], *, pid: int = 0, cwd: str = ""
) -> None:
    name = f"{kind} hook #{number}"
    LOG.debug(f"running {name}: {hook.path}")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    given = _native.memfd("state", quickjson.dumps(state).encode())
    before = os.open(".", os.O_PATH | os.O_CLOEXEC)
    target = _native.pidfd_open(pid) if pid else -1
    try:
        if cwd:
            os.chdir(cwd)
        try:
            player = launch(plan, stdio=(given, writing, writing), target=target)
        finally:
            os.fchdir(before)
        os.close(writing)
        writing = -1
        try:
            player.next_stop()
            status, output = _wait(player.pid, player.pidfd, reading, hook.timeout)
        except LaunchError as error:
            player.kill()
            raise OciError(f"error running {name}: {error}") from error
        finally:
            player.close()
    except LaunchError as error:
        raise OciError(f"error running {name}: {error}") from error
    finally:
        for fd in (reading, writing, given, before, target):
            if fd >= 0:
                os.close(fd)
    if status is None:
        raise OciError(f"error running {name}: hook ran past specified timeout of {hook.timeout}s")
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        how = f"exit status {code}" if code > 0 else f"signal {-code}"
        raise OciError(f"error running {name}: {how}, stdout: , stderr: {output}")


def _wait(pid: int, pidfd: int, reading: int, timeout: int | None) -> tuple[int | None, str]:
    """The hook's status, ``None`` if it took too long; the beginning of what it said."""
    deadline = None if timeout is None or timeout <= 0 else time.monotonic() + timeout
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(reading, select.POLLIN)
    said = b""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = dict(poll.poll(left))
        if reading in ready:
            data = os.read(reading, 65536)
            if not data:
                poll.unregister(reading)
            said = (said + data)[:_MAX_OUTPUT]
        if pidfd in ready and reading not in ready:
            return os.waitpid(pid, 0)[1], said.decode("utf-8", "replace").strip()
        if not ready:
            _native.pidfd_send_signal(pidfd, 9)
            os.waitpid(pid, 0)
            return None, ""
