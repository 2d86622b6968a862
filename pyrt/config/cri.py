"""``[cri]``: the door for a kubelet."""

from __future__ import annotations

import os
from pathlib import Path

from pyrt.config.section import Section, absolute, require


class Cri(Section, frozen=True, kw_only=True):
    """``[cri]``: the Container Runtime Interface, for a kubelet. Its pods and those of the API never meet."""

    enabled: bool = False
    """Serve it. What it needs is loaded into the daemon only then, some 10 MiB."""
    socket: Path | None = None
    """Unset: ``cri.sock`` in paths.run. Whoever may write to it is root on this machine: its mode is 0600."""

    def __post_init__(self) -> None:
        absolute(self.socket, "socket")
        require(
            self.socket is None or len(os.fsencode(self.socket)) <= 107,
            "socket",
            "expected at most 107 bytes: the length of a unix socket's name (unix(7))",
        )
