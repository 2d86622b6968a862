"""One side of a session as a state machine: bytes in, events out; calls in, bytes out. It touches no socket.

Flow control (section 2.6.8): what is taken from streams is always acknowledged with WINDOW_UPDATE, for peers that wait
for it. The peer's own windows are respected as soon as it shows, by a WINDOW_UPDATE or a SETTINGS frame, that it keeps
any: moby/spdystream, which every Kubernetes client uses, does not, and would wait for ever after 64 KiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pyrt.streams.spdy.frames import (
    INITIAL_WINDOW_SIZE,
    MAX_ID,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    GoAwayStatus,
    Headers,
    Ping,
    ResetStatus,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)

WINDOW: Final = 64 * 1024
"""Bytes that may be on their way before the receiver has said anything."""
_ACKNOWLEDGE: Final = WINDOW // 2
_SESSION: Final = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer has made a stream; answer with :meth:`Session.reply` or :meth:`Session.reset`."""

    stream: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The peer takes a stream of ours."""

    stream: int


@dataclass(frozen=True, slots=True)
class Received:
    """Data; never empty."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The peer sends no more on this stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class WasReset:
    """The peer has given this stream up; the session has forgotten it."""

    stream: int


@dataclass(frozen=True, slots=True)
class WindowsGrew:
    """More may be sent than before."""


@dataclass(frozen=True, slots=True)
class PeerLeaves:
    """The peer will make no more streams and takes none."""


Event: TypeAlias = Opened | Accepted | Received | Finished | WasReset | WindowsGrew | PeerLeaves


@dataclass(slots=True)
class _Stream:
    window: int
    """Bytes that the peer still takes."""
    taken: int = 0
    """Bytes taken from it that are not acknowledged yet."""
    ours_done: bool = False
    theirs_done: bool = False


class Session:
    """``server`` says which side this is: a server's streams and pings have even numbers."""

    def __init__(self, *, server: bool = True, max_streams: int = 256) -> None:
        self._server = server
        self._max_streams = max_streams
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._outgoing: list[bytes] = []
        self._streams: dict[int, _Stream] = {}
        self._whole = _Stream(WINDOW)
        self._window = WINDOW
        self._peer_has_windows = False
        self._last_theirs = 0
        self._next_ours = 2 if server else 1
        self._left = False

    # --- in -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> Iterator[Event]:
        """What the peer's bytes mean. Raises SpdyError: say :meth:`leave`, and hang up."""
        for frame in self._decoder.feed(data):
            yield from self._handle(frame)

    def _handle(self, frame: Frame) -> Iterator[Event]:
        match frame:
            case Data(number, data, fin):
                yield from self._data(number, data, fin)
            case SynStream():
                yield from self._open(frame)
            case SynReply(number, _, fin) | Headers(number, _, fin):
                if number in self._streams:
                    if isinstance(frame, SynReply):
                        yield Accepted(number)
                    if fin:
                        yield from self._finish_theirs(number)
            case RstStream(number, _):
                if self._streams.pop(number, None) is not None:
                    yield WasReset(number)
            case Ping(number):
                if number % 2 == self._server:  # an answer to one of ours otherwise, and we send none
                    self._send(frame)
            case WindowUpdate(number, delta):
                self._peer_has_windows = True
                stream = self._whole if number == _SESSION else self._streams.get(number)
                if stream is not None:
                    stream.window = min(stream.window + delta, MAX_ID)
                    yield WindowsGrew()
            case Settings(values):
                yield from self._settings(dict(values))
            case GoAway():
                yield PeerLeaves()

    def _open(self, frame: SynStream) -> Iterator[Event]:
        number = frame.stream
        if number % 2 != self._server or number <= self._last_theirs:
            self._send(RstStream(number, ResetStatus.PROTOCOL_ERROR))
            return
        self._last_theirs = number
        if self._left or len(self._streams) >= self._max_streams:
            self._send(RstStream(number, ResetStatus.REFUSED_STREAM))
            return
        self._streams[number] = _Stream(self._window, ours_done=frame.unidirectional)
        yield Opened(number, frame.headers)
        if frame.fin:
            yield from self._finish_theirs(number)

    def _data(self, number: int, data: bytes, fin: bool) -> Iterator[Event]:
        stream = self._streams.get(number)
        if stream is None or stream.theirs_done:
            # Of a stream that was reset a moment ago: nobody takes it, but the session's window must not shrink.
            self.taken(number, len(data))
            return
        if data:
            yield Received(number, data)
        if fin:
            yield from self._finish_theirs(number)

    def _finish_theirs(self, number: int) -> Iterator[Event]:
        stream = self._streams.get(number)
        if stream is not None and not stream.theirs_done:
            stream.theirs_done = True
            self._forget_if_done(number, stream)
            yield Finished(number)

    def _settings(self, values: dict[int, int]) -> Iterator[Event]:
        if INITIAL_WINDOW_SIZE in values:
            self._peer_has_windows = True
            window = min(values[INITIAL_WINDOW_SIZE], MAX_ID)
            for stream in self._streams.values():
                stream.window += window - self._window
            self._window = window
            yield WindowsGrew()

    # --- out ------------------------------------------------------------------------------------------------------

    def open(self, headers: Mapping[str, str], *, fin: bool = False) -> int:
        """Make a stream (a client's part); its number."""
        number = self._next_ours
        self._next_ours += 2
        self._streams[number] = _Stream(self._window, ours_done=fin)
        self._send(SynStream(number, headers, fin))
        return number

    def reply(self, number: int) -> None:
        """Accept a stream of the peer's."""
        if number in self._streams:
            self._send(SynReply(number))

    def may_send(self, number: int) -> int:
        """How many bytes the peer takes now on this stream; 0 for one that is closed."""
        stream = self._streams.get(number)
        if stream is None or stream.ours_done:
            return 0
        return max(0, min(stream.window, self._whole.window)) if self._peer_has_windows else MAX_ID

    def open_for_sending(self, number: int) -> bool:
        """Whether this side may still send on this stream, now or later."""
        stream = self._streams.get(number)
        return stream is not None and not stream.ours_done

    def send(self, number: int, data: bytes) -> None:
        """Send data, which :meth:`may_send` allows; it is dropped when the stream is closed."""
        stream = self._streams.get(number)
        if stream is not None and not stream.ours_done:
            stream.window -= len(data)
            self._whole.window -= len(data)
            self._send(Data(number, data))

    def finish(self, number: int) -> None:
        """Send no more on this stream; idempotent."""
        stream = self._streams.get(number)
        if stream is not None and not stream.ours_done:
            stream.ours_done = True
            self._send(Data(number, b"", fin=True))
            self._forget_if_done(number, stream)

    def reset(self, number: int, status: ResetStatus = ResetStatus.CANCEL) -> None:
        """Give a stream up; idempotent."""
        if self._streams.pop(number, None) is not None:
            self._send(RstStream(number, status))

    def taken(self, number: int, size: int) -> bool:
        """So much received data was used; whether that made something to send."""
        made = False
        for key, stream in ((_SESSION, self._whole), (number, self._streams.get(number))):
            if stream is None:
                continue
            stream.taken += size
            if stream.taken >= _ACKNOWLEDGE and not stream.theirs_done:
                self._send(WindowUpdate(key, stream.taken))
                stream.taken = 0
                made = True
        return made

    def leave(self, status: GoAwayStatus = GoAwayStatus.OK) -> None:
        """Take no more streams; idempotent."""
        if not self._left:
            self._left = True
            self._send(GoAway(self._last_theirs, status))

    def outgoing(self) -> bytes:
        """What has to be sent now."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def streams(self) -> tuple[int, ...]:
        """The streams that are open in one direction at least."""
        return tuple(self._streams)

    def _forget_if_done(self, number: int, stream: _Stream) -> None:
        if stream.ours_done and stream.theirs_done:
            self._streams.pop(number, None)

    def _send(self, frame: Frame) -> None:
        self._outgoing.append(self._encoder.encode(frame))
