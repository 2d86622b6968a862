"""SPDY/3.1 frames (section 2.6) as values, to bytes and back.

The decoder takes bytes in pieces of any size. It holds back control frames until they are whole, for which it keeps at
most 64 KiB; data is handed on as it comes, so that the 16 MiB which a data frame can have are never in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from pyrt.streams.spdy.errors import SpdyError
from pyrt.streams.spdy.headers import HeaderPacker, HeaderUnpacker

VERSION: Final = 3
MAX_CONTROL: Final = 64 * 1024
"""Bytes of a control frame behind its header."""
MAX_ID: Final = 2**31 - 1

_HEAD: Final = struct.Struct(">II")
_HEAD_SIZE: Final = 8
_CONTROL: Final = 0x80000000
_FIN: Final = 0x01
_UNIDIRECTIONAL: Final = 0x02
_LENGTH: Final = 0xFFFFFF


class Kind(IntEnum):
    """The types of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class ResetStatus(IntEnum):
    """Why a stream is given up (section 2.6.3)."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    UNSUPPORTED_VERSION = 4
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_IN_USE = 8
    STREAM_ALREADY_CLOSED = 9


class GoAwayStatus(IntEnum):
    """Why a session ends (section 2.6.6)."""

    OK = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


INITIAL_WINDOW_SIZE: Final = 7
"""The id of the one setting that matters here."""


@dataclass(frozen=True, slots=True)
class SynStream:
    """A new stream."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False
    unidirectional: bool = False


@dataclass(frozen=True, slots=True)
class SynReply:
    """A new stream is accepted."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """A stream ends at once, in both directions."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """(id, value) of each setting; the flags of a setting are for clients that keep them."""

    values: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Ping:
    """Comes back as it is; a client's number is odd."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No more new streams."""

    last: int
    status: int = GoAwayStatus.OK


@dataclass(frozen=True, slots=True)
class Headers:
    """More headers of a stream."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """So many bytes more may come; stream 0 is the session (3.1)."""

    stream: int
    delta: int


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of a stream's data; a decoded one may be a part of the frame that was sent, ``fin`` is on the last."""

    stream: int
    data: bytes
    fin: bool = False


Frame: TypeAlias = SynStream | SynReply | RstStream | Settings | Ping | GoAway | Headers | WindowUpdate | Data


class Encoder:
    """Frames to bytes, for one direction of one session."""

    def __init__(self) -> None:
        self._packer = HeaderPacker()

    def encode(self, frame: Frame) -> bytes:
        """The bytes of one frame; each must be sent, in this order, as headers refer to those before."""
        match frame:
            case Data(stream, data, fin):
                return _HEAD.pack(stream, fin << 24 | len(data)) + data
            case SynStream(stream, headers, fin, unidirectional):
                flags = _FIN * fin | _UNIDIRECTIONAL * unidirectional
                # Neither associated with another stream, nor of any priority, nor with a credential.
                return _control(Kind.SYN_STREAM, flags, struct.pack(">IIH", stream, 0, 0) + self._packer.pack(headers))
            case SynReply(stream, headers, fin):
                return _control(Kind.SYN_REPLY, fin, struct.pack(">I", stream) + self._packer.pack(headers))
            case Headers(stream, headers, fin):
                return _control(Kind.HEADERS, fin, struct.pack(">I", stream) + self._packer.pack(headers))
            case RstStream(stream, status):
                return _control(Kind.RST_STREAM, 0, struct.pack(">II", stream, status))
            case Settings(values):
                pairs = b"".join(struct.pack(">II", number, value) for number, value in values)
                return _control(Kind.SETTINGS, 0, struct.pack(">I", len(values)) + pairs)
            case Ping(number):
                return _control(Kind.PING, 0, struct.pack(">I", number))
            case GoAway(last, status):
                return _control(Kind.GOAWAY, 0, struct.pack(">II", last, status))
            case WindowUpdate(stream, delta):
                return _control(Kind.WINDOW_UPDATE, 0, struct.pack(">II", stream, delta))


def _control(kind: Kind, flags: int, payload: bytes) -> bytes:
    return _HEAD.pack(_CONTROL | VERSION << 16 | kind, flags << 24 | len(payload)) + payload


class Decoder:
    """Bytes to frames, for one direction of one session. Frames of unknown types are passed over (section 2.2.1)."""

    def __init__(self) -> None:
        self._unpacker = HeaderUnpacker()
        self._buffer = bytearray()
        self._stream = 0
        self._fin = False
        self._left = 0
        """Bytes still to come of the data frame, or of the unknown control frame (stream 0), that has begun."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """What ``data`` makes whole. Raises SpdyError, after which nothing more can be decoded."""
        buffer = self._buffer
        buffer += data
        while buffer:
            if self._left:
                piece = bytes(buffer[: self._left])
                del buffer[: len(piece)]
                self._left -= len(piece)
                if self._stream:
                    yield Data(self._stream, piece, self._fin and not self._left)
                continue
            if len(buffer) < _HEAD_SIZE:
                return
            first, second = _HEAD.unpack_from(buffer)
            flags, length = second >> 24, second & _LENGTH
            if not first & _CONTROL:
                del buffer[:_HEAD_SIZE]
                if not first:
                    raise SpdyError("data of stream 0")
                self._stream, self._fin, self._left = first, bool(flags & _FIN), length
                if not length:
                    yield Data(first, b"", self._fin)
                continue
            if first >> 16 & 0x7FFF != VERSION:
                raise SpdyError(f"a frame of version {first >> 16 & 0x7FFF}; expected {VERSION}")
            kind = first & 0xFFFF
            if kind not in _KINDS:
                del buffer[:_HEAD_SIZE]
                self._stream, self._left = 0, length
                continue
            if length > MAX_CONTROL:
                raise SpdyError(f"a control frame of {length} bytes; expected at most {MAX_CONTROL}")
            if len(buffer) < _HEAD_SIZE + length:
                return
            payload = bytes(buffer[_HEAD_SIZE : _HEAD_SIZE + length])
            del buffer[: _HEAD_SIZE + length]
            yield self._parse(Kind(kind), flags, payload)

    def _parse(self, kind: Kind, flags: int, payload: bytes) -> Frame:
        fin = bool(flags & _FIN)
        try:
            if kind is Kind.SYN_STREAM:
                headers = self._unpacker.unpack(payload[10:])
                return SynStream(_stream(payload), headers, fin, bool(flags & _UNIDIRECTIONAL))
            if kind is Kind.SYN_REPLY:
                return SynReply(_stream(payload), self._unpacker.unpack(payload[4:]), fin)
            if kind is Kind.HEADERS:
                return Headers(_stream(payload), self._unpacker.unpack(payload[4:]), fin)
            if kind is Kind.SETTINGS:
                return _settings(payload)
            if kind is Kind.PING:
                (number,) = struct.unpack(">I", payload)
                return Ping(number)
            first, second = struct.unpack(">II", payload)
        except struct.error as error:
            raise SpdyError(f"a {kind.name} frame of {len(payload)} bytes") from error
        if kind is Kind.RST_STREAM:
            return RstStream(first & MAX_ID, second)
        if kind is Kind.GOAWAY:
            return GoAway(first & MAX_ID, second)
        return WindowUpdate(first & MAX_ID, second & MAX_ID)


_KINDS: Final = frozenset(Kind)


def _stream(payload: bytes) -> int:
    stream: int = struct.unpack_from(">I", payload)[0] & MAX_ID
    if not stream:
        raise SpdyError("a stream with the number 0")
    return stream


def _settings(payload: bytes) -> Settings:
    (count,) = struct.unpack_from(">I", payload)
    if len(payload) != 4 + 8 * count:
        raise SpdyError(f"a SETTINGS frame of {count} settings in {len(payload)} bytes")
    pairs = struct.iter_unpack(">II", payload[4:])
    return Settings(tuple((number & _LENGTH, value) for number, value in pairs))
