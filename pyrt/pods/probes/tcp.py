"""tcpSocket: a connection that opens is all that is asked for (kubelet, ``probe/tcp/tcp.go``)."""

from __future__ import annotations

from dataclasses import dataclass

from pyrt.pods.probes.connection import Connection, go_errno, join
from pyrt.pods.probes.poller import Poller
from pyrt.pods.probes.report import Attempt, Done, Outcome, Report

_OPEN = Report(Outcome.SUCCESS)


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """Where to connect."""

    poller: Poller
    host: str
    port: int
    keeps_time: bool = False

    def begin(self, done: Done) -> Attempt:
        """Ask once."""
        attempt = _TcpAttempt(self, done)
        attempt.connection.begin()
        return attempt


class _TcpAttempt:
    __slots__ = ("_address", "_done", "connection")

    def __init__(self, check: TcpCheck, done: Done) -> None:
        self._done = done
        self._address = join(check.host, check.port)
        self.connection = Connection(check.poller, self, check.host, check.port)

    def connected(self) -> None:
        self.connection.close()
        self._done(_OPEN)

    def received(self, data: bytes) -> None:
        """Nothing is read."""

    def ended(self) -> None:
        """Nothing is read."""

    def failed(self, error: OSError) -> None:
        self._done(Report(Outcome.FAILURE, dial_error(self._address, error)))

    def expire(self) -> Report:
        self.connection.close()
        return Report(Outcome.FAILURE, f"dial tcp {self._address}: i/o timeout")

    def cancel(self) -> None:
        self.connection.close()


def dial_error(address: str, error: OSError) -> str:
    """A connection that did not come about, in Go's words."""
    if error.errno is None:
        return f"dial tcp: {error}"
    return f"dial tcp {address}: connect: {go_errno(error)}"
