"""A client of the streaming server: SPDY/3.1 and WebSocket over a blocking socket."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import struct
from urllib.parse import urlsplit

import msgspec

from pyrt.streams.spdy.session import Accepted, Finished, PeerLeaves, Received, Session, WasReset

PATIENCE = 30


class Refused(Exception):  # noqa: N818
    """An answer other than 101."""

    def __init__(self, head, body):
        super().__init__(head + body)
        self.code = int(head.split()[1])
        self.head, self.body = head, body


def upgrade(url, headers, method="POST"):
    """(socket, response headers as text) of a connection that has changed its protocol. Raises Refused."""
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{n}: {v}" for n, v in headers)]
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        if not piece:
            raise ConnectionResetError(head.decode())
        head += piece
    text = head.decode()
    if " 101 " not in text.split("\r\n")[0]:
        length = int(
            next(line.split(":")[1] for line in text.split("\r\n") if line.lower().startswith("content-length"))
        )
        body = b""
        while len(body) < length:
            body += sock.recv(length - len(body))
        sock.close()
        raise Refused(text, body.decode())
    return sock, text


class Spdy:
    """A SPDY connection; its streams by number."""

    def __init__(self, url, version="v4.channel.k8s.io", headers=()):
        base = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", version)]
        self.socket, self.head = upgrade(url, [*base, *headers])
        self.session = Session(server=False)
        self.data, self.ended, self.reset, self.accepted = {}, set(), set(), set()
        self.left = self.gone = False

    def open(self, kind, **headers):
        number = self.session.open({"streamtype": kind, **headers})
        self.data[number] = b""
        self.flush()
        self.until(lambda: number in self.accepted or number in self.reset)
        return number

    def send(self, number, data):
        for at in range(0, len(data), 32768):
            self.session.send(number, data[at : at + 32768])
        self.flush()

    def finish(self, number):
        self.session.finish(number)
        self.flush()

    def flush(self):
        self.socket.sendall(self.session.outgoing())

    def read(self):
        """Read once."""
        data = self.socket.recv(65536)
        if not data:
            self.gone = True
        for event in self.session.receive(data):
            match event:
                case Accepted(number):
                    self.accepted.add(number)
                case Received(number, piece):
                    self.data[number] += piece
                    self.session.taken(number, len(piece))
                case Finished(number):
                    self.ended.add(number)
                case WasReset(number):
                    self.reset.add(number)
                case PeerLeaves():
                    self.left = True
        if not self.gone:
            self.flush()

    def until(self, condition):
        while not condition():
            assert not self.gone, "the server has gone"
            self.read()

    def close(self):
        self.socket.close()


class Command(Spdy):
    """exec or attach."""

    def __init__(self, url, *kinds, version="v4.channel.k8s.io", headers=()):
        super().__init__(url, version, headers)
        self.streams = {kind: self.open(kind) for kind in ("error", *kinds)}

    def type(self, data):
        self.send(self.streams["stdin"], data)

    def resize(self, columns, rows):
        self.send(self.streams["resize"], msgspec.json.encode({"Width": columns, "Height": rows}) + b"\n")

    def output(self, kind="stdout"):
        return self.data[self.streams[kind]]

    def end(self):
        """Everything up to the end: (exit code or None, stdout, stderr)."""
        self.until(lambda: self.left)
        while not self.gone and not isinstance(self.socket, ssl.SSLSocket):  # of TLS we have to hang up first
            self.read()
        self.close()
        streams = self.streams
        assert streams["error"] in self.ended
        found = [self.data[streams[kind]] if kind in streams else b"" for kind in ("stdout", "stderr")]
        return (code_of(self.data[streams["error"]]), *found)


def code_of(status):
    """The exit code that a Status tells, or its message if it tells none."""
    status = msgspec.json.decode(status)
    if status["status"] == "Success":
        return 0
    if status["reason"] == "NonZeroExitCode":
        (cause,) = status["details"]["causes"]
        assert cause["reason"] == "ExitCode"
        return int(cause["message"])
    return status["message"]


class WebSocket:
    """Frames of RFC 6455, masked, and no more than tests need."""

    def __init__(self, url, *protocols):
        key = base64.b64encode(os.urandom(16)).decode()
        headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        headers += [("Sec-WebSocket-Key", key)]
        headers += [("Sec-WebSocket-Protocol", ", ".join(protocols))] if protocols else []
        self.socket, self.head = upgrade(url, headers, "GET")

    def send(self, payload, opcode=2):
        length = len(payload)
        size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + struct.pack(">H", length)
        self.socket.sendall(bytes((0x80 | opcode,)) + size + b"\0\0\0\0" + payload)

    def messages(self):
        """Until the server says goodbye."""
        stream = self.socket.makefile("rb")
        while head := stream.read(2):
            length = head[1] & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", stream.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", stream.read(8))
            payload = stream.read(length)
            if head[0] & 0xF == 8:
                break
            yield payload
        stream.close()
        self.socket.close()
