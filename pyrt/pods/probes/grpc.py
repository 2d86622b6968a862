"""grpc: the health protocol (grpc.health.v1.Health/Check) over plaintext HTTP/2 (kubelet, ``probe/grpc/grpc.go``).

One call on a connection of its own needs little of HTTP/2 (RFC 9113): four frames out, known before; a handful of
frames in. The hard part, header compression, is the hpack library's. docs/decisions/0030 has the measurement against
the whole libraries.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from hpack import Decoder, Encoder, HPACKError

from pyrt.pods.backoff import period_text
from pyrt.pods.probes.connection import Connection, go_errno, join
from pyrt.pods.probes.poller import Poller
from pyrt.pods.probes.report import Attempt, Done, Outcome, Report
from pyrt.pods.probes.request import VERSION

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_ACK, _END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_STREAM: Final = 1
_MOST: Final = 64 * 1024
"""Bytes of answer after which nobody listens any more; a health answer has some hundred."""
_FRAME_MAX: Final = 16384

_STATUS_NAMES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_CODES: Final = (
    "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted "
    "FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated"
).split()
_UNIMPLEMENTED, _UNAVAILABLE = 12, 14
_CODE_OF_HTTP: Final = {"400": 13, "401": 16, "403": 7, "404": 12, "429": 14, "502": 14, "503": 14, "504": 14}
"""gRPC, doc/http-grpc-status-mapping.md."""
_MESSAGE_MAX: Final = 1024


class _Frame(enum.IntEnum):
    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    CONTINUATION = 9


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def call(host: str, port: int, service: str) -> bytes:
    """The whole of what a client sends for one Check."""
    head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", join(host, port)),
        ("content-type", "application/grpc"),
        ("user-agent", f"kube-probe/{VERSION} grpc-pyrt/1"),
        ("te", "trailers"),
    ]
    name = service.encode(errors="replace")
    # HealthCheckRequest: field 1, a string; the default is not sent (proto3).
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return (
        _PREFACE
        # No dynamic table and no pushes: an answer needs neither.
        + _frame(_Frame.SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 2, 0))
        + _frame(_Frame.HEADERS, _END_HEADERS, _STREAM, Encoder().encode(head))
        + _frame(_Frame.DATA, _END_STREAM, _STREAM, struct.pack(">BI", 0, len(message)) + message)
    )


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return out + bytes((number,))


@dataclass(frozen=True, slots=True)
class GrpcCheck:
    """Whom to ask, and for which service (empty: the server as a whole)."""

    poller: Poller
    host: str
    port: int
    service: str
    timeout: int
    """Seconds; for the text only."""
    keeps_time: bool = False
    request: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "request", call(self.host, self.port, self.service))

    def begin(self, done: Done) -> Attempt:
        """Ask once."""
        attempt = _GrpcAttempt(self, done)
        attempt.connection.begin()
        return attempt


class _GrpcAttempt:
    __slots__ = ("_check", "_done", "_reply", "connection")

    def __init__(self, check: GrpcCheck, done: Done) -> None:
        self._check = check
        self._done = done
        self._reply = Reply()
        self.connection = Connection(check.poller, self, check.host, check.port, check.request)

    def connected(self) -> None:
        """The request is on its way."""

    def received(self, data: bytes) -> None:
        answer = self._reply.feed(data)
        if self._reply.finished is not None:
            self._finish(judge(self._reply.finished))
        elif answer:
            self.connection.send(answer)

    def ended(self) -> None:
        self._finish(judge(Status(_UNAVAILABLE, "error reading from server: EOF")))

    def failed(self, error: OSError) -> None:
        if self.connection.established:
            self._finish(judge(Status(_UNAVAILABLE, f"error reading from server: {go_errno(error)}")))
            return
        address = join(self._check.host, self._check.port)
        why = (
            f'connection error: desc = "transport: Error while dialing: dial tcp {address}: connect: {go_errno(error)}"'
        )
        self._finish(Report(Outcome.FAILURE, f'error: failed to connect service at "{address}": {why}'))

    def expire(self) -> Report:
        self.connection.close()
        within = period_text(self._check.timeout)
        if self.connection.established:
            return Report(Outcome.FAILURE, f"timeout: health rpc did not complete within {within}")
        address = join(self._check.host, self._check.port)
        text = f'timeout: failed to connect service "{address}" within {within}: context deadline exceeded'
        return Report(Outcome.FAILURE, text)

    def cancel(self) -> None:
        self.connection.close()

    def _finish(self, report: Report) -> None:
        self.connection.close()
        self._done(report)


@dataclass(frozen=True, slots=True)
class Status:
    """How a call ended: gRPC's code and message; with code 0 the health that was told."""

    code: int
    message: str = ""
    health: int = 0


def judge(status: Status) -> Report:
    """What the end of a call means: SERVING is success."""
    if status.code == _UNIMPLEMENTED:
        text = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return Report(Outcome.FAILURE, f"{text}: {status.message}")
    if status.code:
        name = _CODES[status.code] if status.code < len(_CODES) else f"Code({status.code})"
        text = f"error: health rpc probe failed: rpc error: code = {name} desc = {status.message}"
        return Report(Outcome.FAILURE, text)
    if status.health == 1:
        return Report(Outcome.SUCCESS)
    known = status.health < len(_STATUS_NAMES)
    name = _STATUS_NAMES[status.health] if known else str(status.health)
    return Report(Outcome.FAILURE, f'service unhealthy (responded with "{name}")')


class Reply:
    """Reads the frames of an answer. Trusts nothing: lengths are bounded, and what is odd ends the call."""

    __slots__ = ("_block", "_block_flags", "_body", "_decoder", "_input", "_seen", "_status", "finished")

    def __init__(self) -> None:
        self._input = b""
        self._seen = 0
        self._block: bytes | None = None
        self._block_flags = 0
        self._body = b""
        self._decoder = Decoder(max_header_list_size=_FRAME_MAX)
        self._status: Status | None = None
        self.finished: Status | None = None
        """Set when the call has ended."""

    def feed(self, data: bytes) -> bytes:
        """Take what came; answers with what is to be sent in return."""
        self._seen += len(data)
        if self._seen > _MOST:
            self.finished = Status(13, "the answer is too long")
            return b""
        self._input += data
        out = b""
        while self.finished is None and len(self._input) >= 9:
            high, low, kind, flags, stream = struct.unpack(">HBBBI", self._input[:9])
            length = high << 8 | low
            if length > _FRAME_MAX:
                self._break("a frame is too long")
            elif len(self._input) < 9 + length:
                break
            else:
                payload, self._input = self._input[9 : 9 + length], self._input[9 + length :]
                out += self._take(kind, flags, stream & 0x7FFFFFFF, payload)
        return out

    def _break(self, why: str) -> bytes:
        self.finished = Status(_UNAVAILABLE, f'connection error: desc = "error reading server preface: {why}"')
        return b""

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if self._block is not None and kind != _Frame.CONTINUATION:
            return self._break("headers are interrupted")
        match kind:
            case _Frame.SETTINGS if not flags & _ACK:
                return _frame(_Frame.SETTINGS, _ACK, 0)
            case _Frame.PING if not flags & _ACK:
                return _frame(_Frame.PING, _ACK, 0, payload)
            case _Frame.HEADERS if stream == _STREAM:
                self._block_flags = flags
                return self._headers(_unpadded(flags, payload, _PRIORITY), flags)
            case _Frame.CONTINUATION if stream == _STREAM and self._block is not None:
                return self._headers(self._block + payload, flags)
            case _Frame.DATA if stream == _STREAM:
                self._body += _unpadded(flags, payload, 0)
                if flags & _END_STREAM:
                    self._end()
            case _Frame.RST_STREAM if stream == _STREAM:
                code = int.from_bytes(payload[:4], "big")
                self.finished = Status(_UNAVAILABLE, f"stream terminated by RST_STREAM with error code: {code}")
            case _Frame.GOAWAY:
                self._break("GOAWAY")
            case _Frame.PUSH_PROMISE:
                self._break("PUSH_PROMISE")
        return b""

    def _headers(self, block: bytes, flags: int) -> bytes:
        if not flags & _END_HEADERS:
            self._block = block
            return b""
        self._block = None
        try:
            decoded = self._decoder.decode(block, raw=True)
        except (HPACKError, ValueError) as error:
            return self._break(str(error))
        headers = {bytes(name): bytes(value).decode("latin-1") for name, value in decoded}
        code = headers.get(b"grpc-status")
        if code is not None:
            message = unquote(headers.get(b"grpc-message", ""))[:_MESSAGE_MAX]
            self._status = Status(int(code) if code.isascii() and code.isdecimal() and len(code) < 4 else 2, message)
        elif (http := headers.get(b":status", "200")) != "200":
            text = f"unexpected HTTP status code received from server: {http[:10]}"
            self._status = Status(_CODE_OF_HTTP.get(http, 2), text)
        if self._block_flags & _END_STREAM:
            self._end()
        return b""

    def _end(self) -> None:
        status = self._status
        if status is None:
            self.finished = Status(13, "server closed the stream without sending trailers")
        elif status.code:
            self.finished = status
        else:
            self.finished = Status(0, health=health_of(self._body))


def _unpadded(flags: int, payload: bytes, priority: int) -> bytes:
    padding = 0
    if flags & _PADDED and payload:
        padding, payload = payload[0], payload[1:]
    if flags & priority:
        payload = payload[5:]
    return payload[: len(payload) - padding] if padding <= len(payload) else b""


def health_of(body: bytes) -> int:
    """The status of a HealthCheckResponse (field 1, an enum) behind gRPC's five bytes; 0, UNKNOWN, when it has none."""
    found, message = 0, body[5:]
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        if key & 7 == 0:
            value, at = _read_varint(message, at)
            if key >> 3 == 1:
                found = value
        elif key & 7 == 2:
            length, at = _read_varint(message, at)
            at += length
        else:
            break  # nothing that this message has
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, at
