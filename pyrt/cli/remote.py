"""exec and attach, from a pod to a finished process."""

from __future__ import annotations

from typing import Any

from pyrt.cli.containers import choose
from pyrt.cli.failure import CliError, CommandExit, warn
from pyrt.cli.session import Session
from pyrt.client.api import target
from pyrt.client.remotecommand import RemoteStream, exit_code, open_remote
from pyrt.client.resources import POD

Object = dict[str, Any]


def open_exec(
    session: Session,
    pod: Object,
    container: str,
    command: list[str],
    *,
    stdin: bool = False,
    stdout: bool = True,
    stderr: bool = True,
    tty: bool = False,
    quiet: bool = False,
) -> RemoteStream:
    """Start ``command`` in a container of ``pod``."""
    query = {
        "container": choose(pod, container, quiet=quiet),
        "command": command,
        **_streams(stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty),
    }
    return _open(session, pod, "exec", query)


def open_attach(
    session: Session, pod: Object, container: str, *, stdin: bool = False, tty: bool = False, quiet: bool = False
) -> RemoteStream:
    """Attach to the main process of a container of ``pod``."""
    query = {
        "container": choose(pod, container, quiet=quiet),
        **_streams(stdin=stdin, stdout=True, stderr=not tty, tty=tty),
    }
    return _open(session, pod, "attach", query)


def finish(status: Object | None) -> None:
    """Say how the remote process ended; raises :class:`CommandExit` with its exit code unless that is 0."""
    if status is None:
        raise CliError("the connection to the server was lost before the command had ended")
    code = exit_code(status)
    if code is None:
        raise CliError(status.get("message") or "the command could not be run")
    if code:
        warn(f"command terminated with exit code {code}")
        raise CommandExit(code)


def _streams(**wanted: bool) -> dict[str, bool | None]:
    return {name: True if value else None for name, value in wanted.items()}


def _open(session: Session, pod: Object, subresource: str, query: dict[str, Any]) -> RemoteStream:
    metadata = pod["metadata"]
    path = POD.path(metadata.get("namespace", session.namespace), metadata["name"], subresource)
    return session.api.reaching(lambda: open_remote(session.socket_path, target(path, query)))
