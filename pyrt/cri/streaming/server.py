"""The HTTP server behind the URLs that Exec, Attach and PortForward answer with.

It listens on a port of the loopback interface, which every process of the host's network can reach: the token in the
URL is what makes a caller welcome. Without one, a connection costs the daemon little, and not for long.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, TypeAlias, cast

from aiohttp import web

from pyrt.config.cri import Cri
from pyrt.cri.errors import CriError
from pyrt.cri.streaming.tokens import Tokens
from pyrt.streams.errors import UpgradeRefusedError

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 2000
"""Streams and callers without a token together; more are hung up on."""
_PATIENCE: Final = 15.0
"""Seconds for a request to come."""
_SHUTDOWN: Final = 2.0
_BACKLOG: Final = 512

Serve: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Announced:
    """A stream that somebody will come for: ``kind`` is the first part of the URL's path."""

    kind: str
    serve: Serve


class StreamingServer:
    """Serves from :meth:`start` to :meth:`stop`."""

    def __init__(self, config: Cri) -> None:
        self._config = config
        self._tokens: Tokens[Announced] = Tokens()
        self._http = web.Server(
            self._handle, handler_cancellation=True, access_log=None, keepalive_timeout=_PATIENCE, lingering_time=1.0
        )
        self._streams: set[asyncio.Task[object]] = set()
        self._listener: asyncio.Server | None = None
        self._base = ""

    async def start(self) -> None:
        """Listen. Raises CriError: the address, the port or the certificate cannot be used."""
        config = self._config
        subject = f"streaming server {config.stream_address}"
        try:
            tls = _tls(config)
            self._listener = await asyncio.get_running_loop().create_server(
                self._protocol, config.stream_address, config.stream_port, ssl=tls, backlog=_BACKLOG
            )
        except ssl.SSLError as error:
            raise CriError(str(error), subject=subject, operation="certificate") from error
        except OSError as error:
            raise CriError(subject=subject, operation="listen", errno=error.errno) from error
        bound: socket.socket = self._listener.sockets[0]
        host, port = bound.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        self._base = f"{'https' if tls else 'http'}://{host}:{port}"
        if tls is None and not ip_address(config.stream_address).is_loopback:
            log.warning("%s: whoever can read this network's traffic can take part in streams: set TLS", self._base)

    async def stop(self) -> None:
        """End every stream."""
        if self._listener is not None:
            self._listener.close()
        for stream in self._streams:
            stream.cancel()
        await self._http.shutdown(_SHUTDOWN)

    def announce(self, kind: str, serve: Serve) -> str:
        """The URL at which ``serve`` will answer, once, within a minute. Raises CriError (RESOURCE_EXHAUSTED)."""
        return f"{self._base}/{kind}/{self._tokens.keep(Announced(kind, serve))}"

    def _protocol(self) -> asyncio.Protocol:
        if len(self._http.connections) >= MAX_CONNECTIONS:
            return _HangUp()
        return self._http()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        kind, _, token = request.path.lstrip("/").partition("/")
        if request.method not in ("GET", "POST"):
            return _text(405, "expected GET or POST", Allow="GET, POST")
        announced = self._tokens.take(token)
        if announced is None or announced.kind != kind:
            return _text(404, "404 page not found")
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            return await announced.serve(request)
        except UpgradeRefusedError as error:
            response = _text(error.code, str(error))
            for name, value in error.headers:
                response.headers.add(name, value)
            return response
        finally:
            self._streams.discard(task)


class _HangUp(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def _text(code: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=code, text=text + "\n", headers=cast(Any, headers))


def _tls(config: Cri) -> ssl.SSLContext | None:
    if config.stream_tls_cert is None or config.stream_tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.stream_tls_cert, config.stream_tls_key)
    return context
