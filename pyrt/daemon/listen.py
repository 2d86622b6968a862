"""The listening socket: handed over by the service manager, or made here, never open to others for a moment."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Final

from pyrt.daemon.errors import DaemonError

_FIRST_FD: Final = 3
"""Descriptors of socket activation begin here (sd_listen_fds(3))."""
_BACKLOG: Final = 512


def activated_socket(path: Path, environment: dict[str, str]) -> socket.socket | None:
    """The socket that systemd listens on for us at ``path``, if it does."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environment.get("LISTEN_FDS", "0")
    for fd in range(_FIRST_FD, _FIRST_FD + (int(count) if count.isdigit() else 0)):
        handed = socket.socket(fileno=fd)
        if handed.family == socket.AF_UNIX and handed.getsockname() == str(path):
            os.set_inheritable(fd, False)
            handed.setblocking(False)
            return handed
        handed.detach()
    return None


def listen(path: Path, mode: int) -> socket.socket:
    """Listen on ``path``, in place of whatever a dead daemon left there.

    The socket is bound under a name of its own in a directory that only we may enter, gets its mode, and is then
    moved to its place: nobody can connect before the mode holds.

    Raises
    ------
    DaemonError: another daemon answers on it, or the path cannot be used.
    """
    subject = f"API socket {path}"
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _refuse_living(path, subject)
        nursery = path.parent / f".{path.name}.{os.getpid()}"
        nursery.mkdir(mode=0o700)
        try:
            return _bind(nursery, path, mode)
        finally:
            with contextlib.suppress(FileNotFoundError):
                (nursery / "s").unlink()
            nursery.rmdir()
    except OSError as error:
        raise DaemonError(subject=subject, operation="listen", errno=error.errno) from error


def _bind(nursery: Path, path: Path, mode: int) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    fd = os.open(nursery, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Through the descriptor: the nursery's path may be longer than a socket's name can be (unix(7)).
        server.bind(f"/proc/self/fd/{fd}/s")
        os.chmod(nursery / "s", mode)
        server.listen(_BACKLOG)
        server.setblocking(False)
        os.rename(nursery / "s", path)
    except BaseException:
        server.close()
        raise
    finally:
        os.close(fd)
    return server


def _refuse_living(path: Path, subject: str) -> None:
    if path.exists() and not path.is_socket():
        raise DaemonError("the path is taken by something that is no socket", subject=subject)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return
    raise DaemonError("another daemon answers on it", subject=subject)


def forget(path: Path, server: socket.socket) -> None:
    """Remove the socket's name, unless another daemon has put its own there."""
    # The inode that fstat tells of a socket is that of the socket file system; connecting is the only way to compare.
    server.close()
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe,
    ):
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
