"""From an HTTP request to a command's streams or forwarded ports, in whichever of the protocols the client speaks.

The Kubernetes API and CRI's streaming server are both doors to this. The clients: kubectl and client-go (WebSocket
first, SPDY/3.1 else), the kubelet (SPDY/3.1), crictl (either).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from pyrt.errors import PyrtError
from pyrt.streams import portforward, remotecommand
from pyrt.streams.channels import (
    PORT_FORWARD,
    REMOTE_COMMAND,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    TUNNEL,
    ChannelProtocol,
    choose,
)
from pyrt.streams.errors import UpgradeRefusedError
from pyrt.streams.portforward import Connect
from pyrt.streams.remotecommand import Client
from pyrt.streams.spdy import forwards
from pyrt.streams.spdy.commands import COMMAND_PROTOCOLS, SpdyClient
from pyrt.streams.takeover import RawPipe, Upgraded, take_over
from pyrt.streams.websocket import TunnelPipe, WebSocketClient, WebSocketFrames, offered, upgrade

SPDY: Final = "SPDY/3.1"
_VERSION: Final = "X-Stream-Protocol-Version"
_ACCEPTED: Final = "X-Accepted-Stream-Protocol-Versions"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds."""

    idle: float = 4 * 3600
    """A connection on which nothing moves is closed after it; 0: never (kubelet's streamingConnectionIdleTimeout)."""
    creation: float = 30
    """A SPDY client has so long to make its streams."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The streams that a request for exec or attach names."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels that a client has besides the error channel. A terminal has no stderr of its own."""
        pairs = (
            (STDIN, self.stdin),
            (STDOUT, self.stdout),
            (STDERR, self.stderr and not self.tty),
            (RESIZE, self.tty),
        )
        return tuple(channel for channel, wanted in pairs if wanted)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a command does not run: told on the error channel.

    ``shown_on`` is the output channel on which the reason is shown as well.
    """

    status: Any
    text: str
    shown_on: int | None = None


class Conversation:
    """exec or attach: what the two have in common once the client is there."""

    def __init__(
        self,
        begin: Callable[[], Awaitable[Any]],
        report: Callable[[int], Any],
        refused: Callable[[PyrtError], Refused],
    ) -> None:
        self._begin = begin
        self._report = report
        self._refused = refused

    async def hold(self, client: Client) -> None:
        """Begin the session and carry it to its end. One that cannot begin is told, and one whose end nobody will hear
        of, because the sandbox died under it.
        """
        with contextlib.suppress(ConnectionError):
            try:
                async with await self._begin() as session:
                    await remotecommand.serve(client, session, report=self._report)
            except PyrtError as error:
                refused = self._refused(error)
                await remotecommand.refuse(client, refused.status, refused.text, shown_on=refused.shown_on)


async def remote_command(
    request: web.BaseRequest, wanted: Wanted, conversation: Conversation, timeouts: Timeouts
) -> web.StreamResponse:
    """Answer a request for exec or attach. Raises UpgradeRefusedError before anything has begun."""
    if _is_websocket(request):
        protocol = _channel_protocol(request, REMOTE_COMMAND)
        async with _websocket(request, protocol.name, timeouts) as frames:
            await conversation.hold(WebSocketClient(frames, protocol))
        return frames.response
    name = _negotiate(request, [protocol.name for protocol in COMMAND_PROTOCOLS])
    version = next(protocol for protocol in COMMAND_PROTOCOLS if protocol.name == name)
    pipe = _take_over(request, name, timeouts)
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with SpdyClient(pipe, version, wanted.channels) as client:
            await client.ready(timeouts.creation)
            await conversation.hold(client)
    return Upgraded()


async def forward_ports(
    request: web.BaseRequest, ports: Sequence[int], connect: Connect, timeouts: Timeouts
) -> web.StreamResponse:
    """Answer a request for port forwarding. Raises UpgradeRefusedError before anything has begun.

    ``ports`` are for the WebSocket channels, which are numbered by them; with SPDY each stream names its port.
    """
    if not _is_websocket(request):
        pipe = _take_over(request, _negotiate(request, [forwards.PROTOCOL]), timeouts)
        await forwards.serve(pipe, connect, creation_timeout=timeouts.creation)
        return Upgraded()
    if TUNNEL in offered(request):
        async with _websocket(request, TUNNEL, timeouts) as frames:
            await forwards.serve(TunnelPipe(frames), connect, creation_timeout=timeouts.creation)
        return frames.response
    protocol = _channel_protocol(request, PORT_FORWARD)
    if not ports:
        raise UpgradeRefusedError("you must specify at least 1 port")
    async with _websocket(request, protocol.name, timeouts) as frames:
        with contextlib.suppress(ConnectionError):
            await portforward.serve(frames, protocol, ports, connect)
    return frames.response


# --- the handshakes ---------------------------------------------------------------------------------------------------


def _is_websocket(request: web.BaseRequest) -> bool:
    tokens = {token.strip().lower() for value in request.headers.getall("Connection", ()) for token in value.split(",")}
    wanted = request.headers.get("Upgrade", "").lower()
    if "upgrade" not in tokens or wanted not in ("websocket", SPDY.lower()):
        raise UpgradeRefusedError(f"missing upgrade headers in request: expected Upgrade: websocket or {SPDY}")
    return wanted == "websocket"


def _channel_protocol(request: web.BaseRequest, known: Mapping[str, ChannelProtocol]) -> ChannelProtocol:
    if request.method != "GET":
        raise UpgradeRefusedError("a WebSocket begins with GET (RFC 6455)")
    names = offered(request)
    protocol = choose(names, known)
    if protocol is None:
        raise UpgradeRefusedError(f"requested protocol(s) are not supported: {names}; supports {list(known)}", 403)
    return protocol


@contextlib.asynccontextmanager
async def _websocket(request: web.BaseRequest, protocol: str, timeouts: Timeouts) -> AsyncIterator[WebSocketFrames]:
    frames = await upgrade(request, protocol, idle=timeouts.idle)
    try:
        yield frames
    finally:
        await frames.close()


def _negotiate(request: web.BaseRequest, known: Sequence[str]) -> str:
    """The first of the client's versions that is known (``k8s.io/streaming``, Handshake)."""
    values = request.headers.getall(_VERSION, ())
    names = [name for value in values for part in value.split(",") if (name := part.strip())]
    if not names:
        raise UpgradeRefusedError(f"header {_VERSION} names no protocol")
    for name in names:
        if name in known:
            return name
    text = f"unable to negotiate protocol: client supports {names}, server accepts {list(known)}"
    raise UpgradeRefusedError(text, 403, [(_ACCEPTED, name) for name in known])


def _take_over(request: web.BaseRequest, version: str, timeouts: Timeouts) -> RawPipe:
    if request.can_read_body:
        raise UpgradeRefusedError("a request with a body cannot be upgraded")
    return take_over(request, SPDY, {_VERSION: version}, idle=timeouts.idle)
