"""``pyrt-oci delete``."""

from __future__ import annotations

import time

from pyrt.oci.commands.kill import signal_process
from pyrt.oci.creation import destroy
from pyrt.oci.errors import NotFoundError, NotRunningError, OciError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory, State
from pyrt.oci.status import STOPPED, alive, status

USAGE = "<container-id>"
FLAGS = ("force f",)
_SECONDS = 10.0


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Remove what a container holds: one that has ended, or with ``--force`` whatever it does."""
    (id_,) = exactly(words, 1, USAGE)
    force = options.on("force")
    try:
        directory = Directory.open(global_.root, id_)
    except NotFoundError:
        if force:
            return 0
        raise
    directory.lock()
    if directory.gone():
        if force:
            return 0
        raise NotFoundError
    try:
        state = directory.read()
    except NotFoundError:
        directory.remove()  # its creation came to nothing
        if force:
            return 0
        raise
    word = status_of(directory, state)
    if word != STOPPED:
        if not force:  # a created one too (runtime.md, "Delete")
            raise OciError(f"cannot delete container {id_} that is not stopped: {word}")
        _kill(state)
    destroy(directory, state)
    return 0


def status_of(directory: Directory, state: State) -> str:
    """The status, for the holder of the lock: whoever was creating it is no more."""
    return STOPPED if state.pid == 0 else status(directory, state)


def _kill(state: State) -> None:
    try:
        signal_process(state, 9)
    except NotRunningError:
        return
    from pyrt.oci import cgroup
    from pyrt.oci.status import frozen

    if frozen(state):
        cgroup.driver(state.cgroup).thaw(state.cgroup.path)
    deadline = time.monotonic() + _SECONDS
    while alive(state):
        if time.monotonic() > deadline:
            raise OciError("container init still running")
        time.sleep(0.005)
