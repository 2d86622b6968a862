"""One outgoing TCP connection that lives for a request: plain or TLS, without a task, a stream or a future."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Protocol

from pyrt.pods.probes.poller import READ, WRITE, Poller

_CHUNK: Final = 16384


class Client(Protocol):
    """Who uses the connection. Exactly one of ``failed`` and ``ended`` is called, unless it is closed before."""

    def connected(self) -> None:
        """It stands: TCP's handshake is done, and TLS's if there is one. The greeting is on its way."""

    def received(self, data: bytes) -> None:
        """Something came."""

    def ended(self) -> None:
        """The other side will say no more."""

    def failed(self, error: OSError) -> None:
        """It is over, for this reason."""


@lru_cache(maxsize=1)
def any_certificate() -> ssl.SSLContext:
    """TLS as the kubelet's probes speak it: nothing is verified, because nothing secret is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # a short key of a test certificate says nothing about health
    return context


class Connection:
    """See the module. ``host`` is an address, or a name whose addresses are tried in turns; ``greeting`` what is said
    first; ``tls`` the name to ask the server for (empty: none), ``None`` for no TLS.

    The socket does not linger as the kubelet's does: its close would wait for the other side, and with it the daemon.
    """

    __slots__ = (
        "_addresses",
        "_client",
        "_fd",
        "_host",
        "_lookup",
        "_out",
        "_poller",
        "_port",
        "_sock",
        "_tls",
        "established",
    )

    def __init__(
        self, poller: Poller, client: Client, host: str, port: int, greeting: bytes = b"", tls: str | None = None
    ) -> None:
        self._poller = poller
        self._client = client
        self._host, self._port = host, port
        self._out = greeting
        self._sock: socket.socket | None = None
        self._fd = -1
        self._addresses: list[str] = []
        self._lookup: asyncio.Task[None] | None = None
        self._tls = _Tls(tls) if tls is not None else None
        self.established = False
        """Whether TCP's handshake is done."""

    def begin(self) -> None:
        """Connect. The client may be called back before this returns: on this machine a connection needs no wait."""
        if numeric(self._host):
            self._connect()
        else:
            self._lookup = asyncio.get_running_loop().create_task(self._look_up())

    async def _look_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # a name may be none at all (codec idna)
            self._fail(OSError(f"lookup {self._host}: no such host"))
            return
        first, *self._addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        self._host = first
        self._connect()

    def _connect(self) -> None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            sock = self._sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            self._fd = sock.fileno()
            code = sock.connect_ex((self._host, self._port))
        except OSError as error:
            self._fail(error)
            return
        if code not in (0, errno.EINPROGRESS):
            self._fail(OSError(code, os.strerror(code)))
            return
        self._connecting()

    def send(self, data: bytes) -> None:
        """Send, now or as soon as it can be."""
        self._out += self._tls.encrypt(data) if self._tls is not None else data
        self._flush()

    def close(self) -> None:
        """Let go; the client hears nothing more."""
        if self._lookup is not None:
            self._lookup.cancel()
            self._lookup = None
        self._drop()

    def _drop(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self._poller.forget(self._fd)
            sock.close()

    def __str__(self) -> str:
        """``local->remote``, as Go's errors have it."""
        remote = join(self._host, self._port)
        if self._sock is None:
            return remote
        with contextlib.suppress(OSError):
            name = self._sock.getsockname()
            return f"{join(name[0], name[1])}->{remote}"
        return remote

    def _connecting(self) -> None:
        assert self._sock is not None
        tls = self._tls
        try:
            # The cheapest question whether it stands: to say something, even nothing. It takes the error if there is
            # one.
            sent = self._sock.send(self._out if tls is None else b"")
        except BlockingIOError:
            self._poller.watch(self._fd, WRITE, self._connecting)
            return
        except OSError as error:
            self._fail(error)
            return
        self.established = True
        if tls is None:
            self._out = self._out[sent:]
            self._up()
        else:
            tls.greeting, self._out = self._out, b""
            self._shake()

    def _up(self) -> None:
        self._client.connected()
        if self._sock is not None:
            self._await_input()

    def _await_input(self) -> None:
        self._poller.watch(self._fd, READ | (WRITE if self._out else 0), self._step)

    def _flush(self) -> bool:
        while self._out and self._sock is not None:
            try:
                sent = self._sock.send(self._out)
            except BlockingIOError:
                return True
            except OSError as error:
                self._fail(error)
                return False
            self._out = self._out[sent:]
        return self._sock is not None

    def _step(self) -> None:
        if not self._flush():
            return
        sock = self._sock
        assert sock is not None
        try:
            data = sock.recv(_CHUNK)
        except BlockingIOError:
            self._await_input()
            return
        except OSError as error:
            self._fail(error)
            return
        if not data:
            self._end()
            return
        if self._tls is not None:
            self._tls.incoming.write(data)
            if not self._tls.shaken:
                self._shake()
                return
            try:
                data = self._tls.decrypt()
            except ssl.SSLError as error:
                self._fail(error)
                return
        if data:
            self._client.received(data)
        if self._sock is not None:
            self._await_input()

    def _shake(self) -> None:
        tls = self._tls
        assert tls is not None
        try:
            done = tls.shake()
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._out += tls.outgoing.read()
        if not self._flush():
            return
        if not done:
            self._await_input()
            return
        self.send(tls.greeting)
        if self._sock is None:
            return
        self._up()
        if self._sock is not None and tls.incoming.pending and (data := tls.decrypt()):
            self._client.received(data)

    def _end(self) -> None:
        if self._tls is not None and not self._tls.shaken:
            self._fail(ConnectionResetError(errno.ECONNRESET, "EOF"))
            return
        self._client.ended()
        self.close()

    def _fail(self, error: OSError) -> None:
        if self._addresses and not self.established:
            self._drop()
            self._host = self._addresses.pop(0)
            self._connect()
            return
        self._client.failed(error)
        self.close()


class _Tls:
    """TLS beside the socket: what comes in goes through here, what goes out comes from here."""

    __slots__ = ("greeting", "incoming", "outgoing", "session", "shaken")

    def __init__(self, name: str) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = any_certificate().wrap_bio(self.incoming, self.outgoing, server_hostname=name or None)
        self.shaken = False
        self.greeting = b""

    def shake(self) -> bool:
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.shaken = True
        return True

    def encrypt(self, data: bytes) -> bytes:
        self.session.write(data)
        return self.outgoing.read()

    def decrypt(self) -> bytes:
        parts = []
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := self.session.read(_CHUNK):
                parts.append(part)
        return b"".join(parts)


@lru_cache(maxsize=4096)
def numeric(host: str) -> bool:
    """Whether ``host`` is an address and no name."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def join(host: str, port: int) -> str:
    """``host:port``, with brackets where they are needed (Go: ``net.JoinHostPort``)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def go_errno(error: OSError) -> str:
    """The words of Go for an errno: the C library's, in small letters."""
    if isinstance(error, ssl.SSLError):
        return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
    return os.strerror(error.errno).lower() if error.errno is not None else str(error)
