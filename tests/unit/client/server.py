"""A small HTTP server on a unix socket that answers what a test tells it to. Not a model of the daemon."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    socket: socket.socket

    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Asked], bytes | None]


def answer(value: Any = None, code: int = 200, headers: str = "", body: bytes | None = None) -> bytes:
    """A whole response."""
    data = json.dumps(value).encode() if body is None else body
    return f"HTTP/1.1 {code} X\r\nContent-Length: {len(data)}\r\n{headers}\r\n".encode() + data


def chunked(*chunks: bytes) -> bytes:
    """A response in chunks."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded


def status(code: int, reason: str, message: str, **details: Any) -> bytes:
    """A failure."""
    value = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return answer({**value, **({"details": details} if details else {})}, code)


@dataclass
class Server:
    """Answers by ``METHOD path``; a list of answers is used up in order, its last one stays."""

    path: Path
    routes: dict[str, Answer | bytes | list[bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Server:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            words = stream.readline().decode().split()
            if not words:
                return
            headers = {}
            while line := stream.readline().decode().strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = _body(stream, headers)
            parts = urlsplit(words[1])
            asked = Asked(words[0], parts.path, parse_qs(parts.query), headers, body, connection)
            self.asked.append(asked)
            route = self.routes.get(f"{asked.method} {asked.path}", status(404, "NotFound", f"no {asked.path}"))
            if isinstance(route, list):
                route = route.pop(0) if len(route) > 1 else route[0]
            reply = route if isinstance(route, bytes) else route(asked)
            if reply is not None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(reply)


def _body(stream: Any, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
        return body
    return stream.read(int(headers.get("content-length", "0")))


def handshake(asked: Asked, protocol: str) -> None:
    """Switch to WebSocket."""
    key = asked.headers["sec-websocket-key"].encode()
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    asked.socket.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n".encode()
    )


def frame(payload: bytes, opcode: int = 2, final: bool = True) -> bytes:
    """One frame from the server."""
    size = len(payload)
    if size < 126:
        length = bytes((size,))
    else:
        length = b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
    return bytes(((0x80 if final else 0) | opcode,)) + length + payload


def read_frame(stream: Any) -> tuple[int, bytes]:
    """One frame from the client: (opcode, payload). Asserts that it is masked."""
    first, second = stream.read(2)
    assert second & 0x80
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
    key = stream.read(4)
    data = stream.read(size)
    return first & 0x0F, bytes(octet ^ key[index % 4] for index, octet in enumerate(data))
