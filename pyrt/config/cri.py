"""``[cri]``: the door for a kubelet."""

from __future__ import annotations

import os
from pathlib import Path

from pyrt.config.section import Section, absolute, is_address, require


class Cri(Section, frozen=True, kw_only=True):
    """``[cri]``: the Container Runtime Interface, for a kubelet. Its pods and those of the API never meet."""

    enabled: bool = False
    """Serve it. What it needs is loaded into the daemon only then, some 10 MiB."""
    socket: Path | None = None
    """Unset: ``cri.sock`` in paths.run. Whoever may write to it is root on this machine: its mode is 0600."""

    stream_address: str = "127.0.0.1"
    """The IP address on which exec, attach and port forwarding are served. Beyond the loopback interface: with TLS."""
    stream_port: int = 0
    """The TCP port for it. 0: any that is free."""
    stream_tls_cert: Path | None = None
    """Serve it with TLS: the certificate, and those up to a known authority (PEM)."""
    stream_tls_key: Path | None = None
    """The certificate's key (PEM)."""
    stream_idle_timeout_seconds: int = 4 * 3600
    """A stream on which nothing moves for so long is closed; 0: never (kubelet's streamingConnectionIdleTimeout)."""
    stream_creation_timeout_seconds: int = 30
    """How long a client may take, once it is connected, to say which streams it wants; 1 or more."""

    def __post_init__(self) -> None:
        absolute(self.socket, "socket")
        require(
            self.socket is None or len(os.fsencode(self.socket)) <= 107,
            "socket",
            "expected at most 107 bytes: the length of a unix socket's name (unix(7))",
        )
        require(
            is_address(self.stream_address), "stream_address", f"expected an IP address, got {self.stream_address!r}"
        )
        require(0 <= self.stream_port < 65536, "stream_port", f"expected 0 to 65535, got {self.stream_port}")
        absolute(self.stream_tls_cert, "stream_tls_cert")
        absolute(self.stream_tls_key, "stream_tls_key")
        require(
            (self.stream_tls_cert is None) == (self.stream_tls_key is None),
            "stream_tls_key",
            "expected stream_tls_cert and stream_tls_key, or neither",
        )
        idle, creation = self.stream_idle_timeout_seconds, self.stream_creation_timeout_seconds
        require(idle >= 0, "stream_idle_timeout_seconds", f"expected 0 or more, got {idle}")
        require(creation >= 1, "stream_creation_timeout_seconds", f"expected 1 or more, got {creation}")
