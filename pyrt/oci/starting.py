"""A created container's process is told to go on, and answers whether its program could be executed."""

from __future__ import annotations

import os

from pyrt import _native
from pyrt.errors import PyrtError
from pyrt.oci.errors import OciError
from pyrt.oci.state import SOCKET, Directory, State
from pyrt.oci.status import CREATED, RUNNING, STOPPED, oci_state, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrt.spec import Hooks


def start(directory: Directory, state: State) -> None:
    """Raises :class:`OciError`: it is not waiting, or could not execute its program. The directory is locked."""
    connection = _connect(directory, state)
    try:
        hooks = _hooks(directory) if state.has_hooks else None
        if hooks is not None and hooks.start_container:
            run_start_container(directory, state)
        os.write(connection, b"\0")
        _hear(connection, directory, state)
    finally:
        os.close(connection)
    if hooks is not None and hooks.poststart:
        run_poststart(directory, state)


def _hooks(directory: Directory) -> Hooks | None:
    from pyrt.oci.creation import read_config

    return read_config(directory).hooks


def _connect(directory: Directory, state: State) -> int:
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET, socket

    connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{directory.fd}/{SOCKET}")
        # Its greeting: the one who listens is the one who will play on.
        if len(connection.recv(64)) == 8:
            return connection.detach()
    except OSError:
        pass
    finally:
        connection.close()
    word = status(directory, state)
    if word == STOPPED:
        raise OciError("cannot start a container that has stopped")
    if word == RUNNING:
        raise OciError("cannot start an already running container")
    raise OciError(f"cannot start a container in the {word} state")


def _hear(connection: int, directory: Directory, state: State) -> None:
    """End of file is the program's execution; else where the plan stopped, which the directory has in words."""
    data = os.read(connection, 64)
    failure = _native.read_report(data)
    if failure is None:
        return
    from pyrt.oci.creation import failure_of

    raise failure_of(directory, state, failure.index, failure.errno)


def run_start_container(directory: Directory, state: State) -> None:
    """StartContainer hooks: in the container, as its process."""
    from pyrt.launch import ExecContext, PodSupplied, probe
    from pyrt.oci import hooks as running
    from pyrt.oci.confinement import enforceable
    from pyrt.oci.creation import place_of, read_config, users_of
    from pyrt.spec import Linux

    config = read_config(directory)
    assert config.hooks is not None
    assert config.process is not None
    linux = config.linux or Linux()
    features = probe()
    context = ExecContext(
        namespaces=state.namespaces,
        target=PodSupplied("container"),
        cgroup=place_of(state),
        features=features,
        **users_of(state, linux),
    )
    running.run_in_container(
        "startContainer",
        config.hooks.start_container,
        oci_state(directory, state, CREATED),
        state.pid,
        enforceable(config.process, features, warn=False),
        linux,
        context,
    )


def run_poststart(directory: Directory, state: State) -> None:
    """Poststart hooks. Raises for one that fails, with the container ended (runtime.md, "Lifecycle")."""
    from pyrt.oci import hooks as running
    from pyrt.oci.creation import read_config

    config = read_config(directory)
    assert config.hooks is not None
    document = oci_state(directory, state, RUNNING)
    try:
        running.run_on_host("poststart", config.hooks.poststart, document, cwd=state.bundle)
    except PyrtError:
        os.kill(state.pid, 9)
        raise
