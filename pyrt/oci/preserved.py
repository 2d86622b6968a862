"""Descriptors that the program gets besides 0, 1 and 2: ``--preserve-fds``, and systemd's (sd_listen_fds(3))."""

from __future__ import annotations

import os

from pyrt.oci.errors import OciError


def preserved_descriptors(extra: int) -> int:
    """How many from 3 on: those of ``$LISTEN_FDS`` and then ``extra``. Raises :class:`OciError` if one is not open."""
    if extra < 0 or extra > 512:
        raise OciError(f"{extra} is not within 0 and 512", operation="--preserve-fds")
    count = listening() + extra
    for fd in range(3, 3 + count):
        try:
            os.fstat(fd)
        except OSError as error:
            raise OciError(operation=f"preserve descriptor {fd}", errno=error.errno) from error
    return count


def listening() -> int:
    """How many descriptors systemd or somebody like it has passed."""
    count = os.environ.get("LISTEN_FDS", "")
    pid = os.environ.get("LISTEN_PID", "")
    if not count.isdigit() or (pid and pid != str(os.getpid())):
        return 0
    return int(count)
