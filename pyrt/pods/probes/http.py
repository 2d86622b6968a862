"""httpGet: 200 to 399 is success (kubelet, ``probe/http/http.go``).

Redirects are followed within the host, ten at most; one that leaves the host is a success with a warning. Certificates
are not verified. 10 KiB of the body are read. Texts are those of Go's client, which events of a kubelet have.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httptools

from pyrt.pods.probes.connection import Connection, go_errno, join, numeric
from pyrt.pods.probes.poller import Poller
from pyrt.pods.probes.report import Attempt, Done, Outcome, Report
from pyrt.pods.probes.request import Request, redirected
from pyrt.pods.probes.tcp import dial_error

BODY_MAX: Final = 10 * 1024
"""Bytes of an answer's body that are read (kubelet, ``maxRespBodyLength``)."""
_HEAD_MAX: Final = 64 * 1024
_MOST: Final = 256 * 1024
"""Bytes of an answer in all, with the framing of its body; enough is enough."""
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_REDIRECTS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, as far as it was read."""

    status: int
    location: str
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """What to ask for."""

    poller: Poller
    request: Request
    keeps_time: bool = False

    def begin(self, done: Done) -> Attempt:
        """Ask once."""
        attempt = HttpAttempt(self.poller, self.request, done)
        attempt.begin()
        return attempt


class HttpAttempt:
    """One GET with the redirects that it leads to. ``judged`` says what an answer means."""

    __slots__ = (
        "_bytes",
        "_connection",
        "_done",
        "_hops",
        "_judged",
        "_parsing",
        "_poller",
        "_request",
        "plain_server",
    )

    def __init__(
        self, poller: Poller, request: Request, done: Done, judged: Callable[[Answer], Report] | None = None
    ) -> None:
        self._poller = poller
        self._request = request
        self._done = done
        self._judged = judge if judged is None else judged
        self._hops = 0
        self._open()
        self.plain_server = False
        """The server answered in plain HTTP where TLS was spoken to it."""

    def _open(self) -> None:
        request = self._request
        tls = None if request.scheme != "https" else "" if numeric(request.host) else request.host
        self._parsing = _Parsing()
        self._bytes = 0
        self._connection = Connection(self._poller, self, request.host, request.port, request.encode(), tls)

    def begin(self) -> None:
        """Ask."""
        self._connection.begin()

    def cancel(self) -> None:
        """See :class:`pyrt.pods.probes.report.Attempt`."""
        self._connection.close()

    def expire(self) -> Report:
        """See :class:`pyrt.pods.probes.report.Attempt`."""
        connection, parsing = self._connection, self._parsing
        connection.close()
        if parsing.status:
            text = "net/http: request canceled (Client.Timeout or context cancellation while reading body)"
            return Report(Outcome.ERROR, text)
        why = "context deadline exceeded"
        if not connection.established:
            why = f"dial tcp {join(self._request.host, self._request.port)}: i/o timeout"
        return self._failure(f"{why} (Client.Timeout exceeded while awaiting headers)")

    # --- the connection's client ---------------------------------------------------------------------------------

    def connected(self) -> None:
        """See :class:`pyrt.pods.probes.connection.Client`."""

    def received(self, data: bytes) -> None:
        """Part of the answer."""
        parsing = self._parsing
        self._bytes += len(data)
        try:
            parsing.feed(data)
        except httptools.HttpParserUpgrade:
            parsing.done = True  # 101, or what looks like it: there is no body
        except httptools.HttpParserError:
            first = data.split(b"\r\n", 1)[0][:80].decode(errors="replace")
            self._finish(
                self._failure(f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{first}"')
            )
            return
        if parsing.done or len(parsing.body) >= BODY_MAX or (parsing.status and self._bytes > _MOST):
            self._answered()
        elif not parsing.status and self._bytes > _HEAD_MAX:
            self._finish(self._failure(f"net/http: server response headers exceeded {_HEAD_MAX} bytes; aborted"))

    def ended(self) -> None:
        """End of file."""
        parsing = self._parsing
        if parsing.status and not parsing.delimited:
            self._answered()
        elif parsing.status:
            self._finish(Report(Outcome.ERROR, "unexpected EOF"))
        else:
            self._finish(self._failure("EOF"))

    def failed(self, error: OSError) -> None:
        """No answer."""
        connection, request = self._connection, self._request
        if self._parsing.status:
            report = Report(Outcome.ERROR, f"read tcp {connection}: read: {go_errno(error)}")
        elif not connection.established:
            report = self._failure(dial_error(join(request.host, request.port), error))
        elif isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            self.plain_server = True
            report = self._failure("http: server gave HTTP response to HTTPS client")
        elif isinstance(error, ssl.SSLError):
            report = self._failure(go_errno(error))
        elif str(error).endswith("EOF"):
            report = self._failure("EOF")
        else:
            report = self._failure(f"read tcp {connection}: read: {go_errno(error)}")
        self._finish(report)

    # --- the answer ------------------------------------------------------------------------------------------------

    def _answered(self) -> None:
        answer = self._parsing.answer()
        to = redirected(self._request, answer.location) if answer.status in _REDIRECTS and answer.location else None
        if to is None:
            self._finish(self._judged(answer))
            return
        self._hops += 1
        if self._hops >= _REDIRECTS_MAX:
            self._finish(self._failure(f"stopped after {_REDIRECTS_MAX} redirects", to))
            return
        self._connection.close()
        self._request = to
        self._open()
        self._connection.begin()

    def _failure(self, why: str, request: Request | None = None) -> Report:
        return Report(Outcome.FAILURE, f'Get "{(request or self._request).url}": {why}')

    def _finish(self, report: Report) -> None:
        self._connection.close()
        self._done(report)


def judge(answer: Answer) -> Report:
    """What an answer means."""
    if not 200 <= answer.status < 400:
        return Report(Outcome.FAILURE, f"HTTP probe failed with statuscode: {answer.status}")
    if answer.status >= 300:
        body = answer.body.decode(errors="replace")
        return Report(Outcome.WARNING, f"Probe terminated redirects, Response body: {body}")
    return Report(Outcome.SUCCESS)


class _Parsing:
    """httptools' callbacks, and what is kept of what they tell."""

    __slots__ = ("_location", "_parser", "body", "delimited", "done", "status")

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._location = b""
        self.body = b""
        self.status = 0
        """Known when the head is complete."""
        self.delimited = False
        """The answer says where it ends; otherwise the connection's end is its end."""
        self.done = False

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def answer(self) -> Answer:
        return Answer(self.status, self._location.decode("latin-1"), self.body[:BODY_MAX])

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == b"location":
            self._location = self._location or value
        elif lower in (b"content-length", b"transfer-encoding"):
            self.delimited = True

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 or status == 101:  # other answers of the 100s only announce the real one
            self.status = status

    def on_body(self, body: bytes) -> None:
        if len(self.body) < BODY_MAX:
            self.body += body

    def on_message_complete(self) -> None:
        self.done = bool(self.status)
