"""The socket that takes a terminal's master (``--console-socket``)."""

from __future__ import annotations

from pyrt.oci.errors import OciError


def connect(path: str) -> int:
    """A descriptor connected to a listening unix socket; the caller closes it. Raises :class:`OciError`."""
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket

    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        connection.connect(path)
        return connection.detach()
    except OSError as error:
        raise OciError(operation=f"connect to {path}", errno=error.errno) from error
    finally:
        connection.close()


def send_descriptor(path: str, fd: int, name: bytes = b"\0") -> None:
    """Connect, and hand a descriptor over (SCM_RIGHTS). Raises :class:`OciError`."""
    from _socket import AF_UNIX, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, socket

    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        connection.connect(path)
        connection.sendmsg([name], [(SOL_SOCKET, SCM_RIGHTS, fd.to_bytes(4, "little"))])
    except OSError as error:
        raise OciError(operation=f"send to {path}", errno=error.errno) from error
    finally:
        connection.close()
