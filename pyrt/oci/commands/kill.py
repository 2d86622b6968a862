"""``pyrt-oci kill``."""

from __future__ import annotations

from pyrt.oci.errors import NotRunningError, UsageError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, at_least
from pyrt.oci.signals import number_of
from pyrt.oci.state import Directory, State
from pyrt.oci.status import alive

USAGE = "<container-id> [signal]"
FLAGS = ("all a",)


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Send a signal to the container's process; with ``--all``, to every one in its cgroup."""
    id_, *rest = at_least(words, 1, USAGE)
    if len(rest) > 1:
        raise UsageError(f'requires a maximum of 2 argument(s): "{USAGE}"')
    number = number_of(rest[0] if rest else "TERM")
    directory = Directory.open(global_.root, id_)
    state = directory.read()
    if options.on("all") or (not state.namespaces & 0x20000000 and number == 9):
        _signal_all(state, number, strict=not options.on("all"))
        return 0
    signal_process(state, number)
    return 0


def signal_process(state: State, number: int) -> None:
    """By a pidfd, so that it is the container's process or nobody. Raises :class:`NotRunningError`."""
    from pyrt import _native

    try:
        pidfd = _native.pidfd_open(state.pid) if state.pid > 0 else -1
    except ProcessLookupError:
        raise NotRunningError from None
    if pidfd < 0 or not alive(state):  # asked after it was opened: a later process has another start time
        raise NotRunningError
    try:
        _native.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        raise NotRunningError from None


def _signal_all(state: State, number: int, *, strict: bool) -> None:
    from pyrt.oci import cgroup

    driver = cgroup.driver(state.cgroup)
    if number == 9:
        found = driver.kill(state.cgroup.path)
    else:
        import os
        from contextlib import suppress

        pids = driver.processes(state.cgroup.path)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        found = len(pids)
    if strict and not found:
        raise NotRunningError
