"""The client's half of RFC 6455, as much of it as the Kubernetes channel protocols use: binary messages, pings, close.

The socket is non-blocking: what cannot be sent at once is kept, so that a caller who waits for both directions with
poll(2) never blocks on one of them while the other fills up.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from collections.abc import Iterator

from pyrt.client.errors import ApiError, ProtocolError
from pyrt.client.http import Request, send

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MESSAGE_LIMIT = 64 * 1024 * 1024
"""Octets in one message from the server; more is refused."""
FRAGMENT = 32 * 1024
"""Octets sent in one message: keeps the other side's buffers small."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class WebSocket:
    """An open connection."""

    def __init__(self, sock: socket.socket, protocol: str, rest: bytes = b"") -> None:
        sock.setblocking(False)
        self._socket = sock
        self._outgoing = bytearray()
        self._buffer = bytearray(rest)
        self._parts: list[bytes] = []
        self._closing = False
        self.protocol = protocol
        """The subprotocol that the server chose."""
        self.closed = False
        """The server has said goodbye or hung up: there is nothing more to read."""

    def fileno(self) -> int:
        """For select(2)."""
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Whether bytes wait in the buffer, which select(2) cannot see (only right after the handshake)."""
        return bool(self._buffer)

    @property
    def unsent(self) -> int:
        """Octets that wait for :meth:`flush`: while there are any, poll for POLLOUT and send nothing new."""
        return len(self._outgoing)

    def send(self, payload: bytes) -> None:
        """One binary message."""
        self._frame(BINARY, payload)

    def flush(self) -> None:
        """Send what is kept, as far as the kernel takes it now. A server that has gone is found out by reading."""
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing)]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._outgoing.clear()

    def receive(self) -> Iterator[bytes]:
        """Read once from the socket and give every message that is complete now, perhaps none.

        Sets ``closed`` when the stream has ended. Pings are answered here.
        """
        yield from self._messages()
        if self.closed:
            return
        try:
            data = self._socket.recv(262144)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        self._buffer += data
        yield from self._messages()

    def close(self) -> None:
        """Say goodbye, without waiting for the answer, and drop the connection."""
        if not self.closed and not self._closing:
            self._closing = True
            self._frame(CLOSE, (1000).to_bytes(2, "big"))
        self.closed = True
        self._socket.close()

    def _messages(self) -> Iterator[bytes]:
        while not self.closed and (frame := self._next_frame()) is not None:
            final, opcode, payload = frame
            if opcode == PING:
                self._frame(PONG, payload)
            elif opcode == CLOSE:
                self.closed = True
            elif opcode in {CONTINUATION, TEXT, BINARY}:
                self._parts.append(payload)
                if sum(map(len, self._parts)) > MESSAGE_LIMIT:
                    raise ProtocolError("the server sent a message that is too long")
                if final:
                    message = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                    self._parts = []
                    yield message
            elif opcode != PONG:
                raise ProtocolError(f"the server sent an unknown WebSocket opcode {opcode}")

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[0] & 0x70 or buffer[1] & 0x80:
            raise ProtocolError("the server sent a malformed WebSocket frame")
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        if length > MESSAGE_LIMIT:
            raise ProtocolError("the server sent a message that is too long")
        if len(buffer) < start + length:
            return None
        final, opcode = bool(buffer[0] & 0x80), buffer[0] & 0x0F
        payload = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return final, opcode, payload

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            length = bytes((0x80 | size,))
        elif size < 65536:
            length = b"\xfe" + size.to_bytes(2, "big")
        else:
            length = b"\xff" + size.to_bytes(8, "big")
        key = os.urandom(4)
        self._outgoing += bytes((0x80 | opcode,)) + length + key + mask(key, payload)
        self.flush()


def mask(key: bytes, payload: bytes) -> bytes:
    """RFC 6455 section 5.3. One big integer is far faster than a loop over octets."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(stream, "little")).to_bytes(size, "little")


def accept_value(key: bytes) -> str:
    """What the server has to answer to ``Sec-WebSocket-Key`` (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest()).decode()


def open_websocket(socket_path: str, target: str, protocols: tuple[str, ...]) -> WebSocket:
    """Shake hands. Raises :class:`ApiError` when the server answers with a ``Status`` instead."""
    key = base64.b64encode(os.urandom(16))
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Protocol": ", ".join(protocols),
    }
    response = send(socket_path, Request("GET", target, headers))
    if response.status != 101:
        with response:
            raise ApiError.from_response(response.status, response.reason, response.read())
    if response.headers.get("sec-websocket-accept") != accept_value(key):
        response.close()
        raise ProtocolError("the server's WebSocket handshake is wrong")
    protocol = response.headers.get("sec-websocket-protocol", "")
    if protocol not in protocols:
        response.close()
        raise ProtocolError(f"the server speaks none of the protocols {', '.join(protocols)}")
    sock, rest = response.detach()
    return WebSocket(sock, protocol, rest)
