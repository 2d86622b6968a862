"""HTTP/1.1 (RFC 9112) over a unix socket: one request a connection, the answer whole or as it arrives.

A unix connection costs some 50 microseconds, so there is no pool and no keep-alive; every request says
``Connection: close``. Answers may be framed by Content-Length, by chunks or by the end of the connection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

from pyrt.client.errors import ProtocolError, UnreachableError

LINE_LIMIT = 64 * 1024
"""Octets in one line of a header; more is an attack or not HTTP."""
HEADER_LIMIT = 200
"""Lines in one header."""
BODYLESS = frozenset({204, 304})

Body = bytes | Iterable[bytes]


class Reader:
    """Buffered reading of a socket, which lets the caller see what is left over (for WebSocket)."""

    __slots__ = ("_buffer", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()

    def take_buffered(self) -> bytes:
        """Hand over what was read ahead."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def some(self) -> bytes:
        """At least one byte, or ``b""`` at the end."""
        return self.take_buffered() if self._buffer else self._socket.recv(65536)

    def line(self) -> bytes:
        """One line without its CRLF."""
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if start > LINE_LIMIT:
                raise ProtocolError("the server sent a header line that is too long")
            self._fill()
        if end > LINE_LIMIT:
            raise ProtocolError("the server sent a header line that is too long")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line[:-1] if line.endswith(b"\r") else line

    def exactly(self, count: int) -> bytes:
        """``count`` bytes."""
        while len(self._buffer) < count:
            self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def at_most(self, count: int) -> bytes:
        """Between 1 and ``count`` bytes, whatever is there first."""
        if not self._buffer:
            self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ProtocolError("the server closed the connection in the middle of its answer")
        self._buffer += data


class Response:
    """An answer whose header has been read; its body is read on demand. Close it, or use it in a ``with``."""

    def __init__(self, sock: socket.socket, reader: Reader, status: int, reason: str, headers: dict[str, str]) -> None:
        self._socket: socket.socket | None = sock
        self.reader = reader
        self.status = status
        self.reason = reason
        self.headers = headers
        """Names in lower case; a repeated field has its values joined with a comma."""

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives. A chunk of the transfer coding may be handed over in parts."""
        if self.status in BODYLESS or 100 <= self.status < 200:
            return
        if self.headers.get("transfer-encoding", "").lower().endswith("chunked"):
            yield from self._chunked()
        elif "content-length" in self.headers:
            yield from self._counted(_length(self.headers["content-length"]))
        else:
            while data := self.reader.some():
                yield data

    def _chunked(self) -> Iterator[bytes]:
        while size := _chunk_size(self.reader.line()):
            yield from self._counted(size)
            if self.reader.line():
                raise ProtocolError("the server's chunk is longer than announced")
        while self.reader.line():
            pass  # trailer fields mean nothing to us

    def _counted(self, remaining: int) -> Iterator[bytes]:
        while remaining:
            data = self.reader.at_most(remaining)
            remaining -= len(data)
            yield data

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks())

    def lines(self) -> Iterator[bytes]:
        """The body cut at newlines, each without its newline (watch streams)."""
        rest = bytearray()
        for chunk in self.chunks():
            rest += chunk
            while (end := rest.find(b"\n")) >= 0:
                yield bytes(rest[:end])
                del rest[: end + 1]
        if rest:
            yield bytes(rest)

    def limit(self, seconds: float | None) -> None:
        """From now on no wait for the server is longer than this: it ends with TimeoutError."""
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def detach(self) -> tuple[socket.socket, bytes]:
        """Give up the connection, with what was read ahead: the caller owns it now (101 Switching Protocols)."""
        sock, self._socket = self._socket, None
        if sock is None:
            raise ProtocolError("the connection was given away already")
        return sock, self.reader.take_buffered()

    def close(self) -> None:
        """Drop the connection."""
        if self._socket is not None:
            self._socket.close()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Request(NamedTuple):
    """What is asked. ``target`` is an absolute path with its query, already percent-encoded."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Body | None = None

    def head(self) -> bytes:
        """The request line and the header fields."""
        fields = {"Host": "localhost", "User-Agent": "pyrt", "Connection": "close", **self.headers}
        if isinstance(self.body, bytes):
            fields["Content-Length"] = str(len(self.body))
        elif self.body is not None:
            fields["Transfer-Encoding"] = "chunked"
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise ProtocolError("line break in a request's header", operation=self.method)
        return "\r\n".join([*lines, "\r\n"]).encode()


def send(socket_path: str, request: Request, *, timeout: float | None = None) -> Response:
    """Connect, send, and read the header of the answer.

    ``timeout`` is in seconds and bounds each wait for the server, not the whole exchange.
    Raises :class:`UnreachableError` when nobody listens, :class:`ProtocolError` when the answer makes no sense.
    """
    sock = connect(socket_path, timeout)
    try:
        _send_request(sock, request)
        reader = Reader(sock)
        while True:
            status, reason = _status_line(reader.line())
            headers = _headers(reader)
            if status == 101 or status >= 200:
                return Response(sock, reader, status, reason, headers)
    except TimeoutError as error:
        sock.close()
        raise ProtocolError("the server did not answer in time") from error
    except (BrokenPipeError, ConnectionResetError) as error:
        sock.close()
        raise ProtocolError("the server closed the connection", errno=error.errno) from error
    except BaseException:
        sock.close()
        raise


def connect(socket_path: str, timeout: float | None = None) -> socket.socket:
    """A connection to the daemon. Raises :class:`UnreachableError`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.settimeout(timeout)
        sock.connect(socket_path)
    except OSError as error:
        sock.close()
        message = "" if error.errno is not None else str(error)
        raise UnreachableError(message, subject=socket_path, operation="connect", errno=error.errno) from error
    return sock


def _send_request(sock: socket.socket, request: Request) -> None:
    head = request.head()
    if request.body is None:
        sock.sendall(head)
        return
    if isinstance(request.body, bytes):
        sock.sendall(head + request.body)
        return
    sock.sendall(head)
    try:
        for chunk in request.body:
            if chunk:
                sock.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        sock.sendall(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        # The server may refuse an upload before it is complete; what it said is waiting to be read.
        return


def _status_line(line: bytes) -> tuple[int, str]:
    version, _, rest = line.decode("latin-1").partition(" ")
    code, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or len(code) != 3 or not code.isdecimal():
        raise ProtocolError("this is not an HTTP server")
    return int(code), reason


def _headers(reader: Reader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(HEADER_LIMIT):
        line = reader.line()
        if not line:
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise ProtocolError("the server sent a malformed header")
        key, text = name.lower(), value.strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    raise ProtocolError("the server sent too many header lines")


def _length(text: str) -> int:
    if not text.isdecimal():
        raise ProtocolError("the server sent a malformed Content-Length")
    return int(text)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        if not digits or digits[:1] in b"+-" or b"_" in digits:
            raise ValueError
        return int(digits, 16)
    except ValueError:
        raise ProtocolError("the server sent a malformed chunk") from None
