"""The CRI log format: ``<RFC 3339 time> <stdout|stderr> <F|P> <text>`` a line.

Defined by the kubelet's logging design (``kubernetes/design-proposals/node/kubelet-cri-logging.md``): P marks a piece
of a longer line whose newline is still to come, F its last piece (or a whole line).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

BOTH_STREAMS: Final = frozenset((b"stdout", b"stderr"))


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log is wanted (``core/v1.PodLogOptions``)."""

    follow: bool = False
    timestamps: bool = False
    since: int | None = None
    """Unix nanoseconds; records before are left out."""
    tail: int | None = None
    """Lines (not records) from the end."""
    limit_bytes: int | None = None
    streams: frozenset[bytes] = BOTH_STREAMS


def parse_time(stamp: bytes) -> int:
    """Unix nanoseconds of an RFC 3339 time with any number of fractional digits.

    Raises
    ------
    ValueError: not such a time.
    """
    text = stamp.decode("ascii")
    if len(text) < 20 or text[10] not in "Tt":
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    rest = text[19:]
    fraction = 0
    if rest.startswith("."):
        digits = len(rest) - len(rest[1:].lstrip("0123456789")) - 1
        fraction = int(rest[1 : digits + 1][:9].ljust(9, "0"))
        rest = rest[digits + 1 :]
    zone = "+00:00" if rest in ("Z", "z") else rest
    moment = datetime.fromisoformat(text[:19] + zone)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text!r}")
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000_000 + fraction


def record_time(record: bytes) -> int | None:
    """The time of one record; ``None`` if the line is no record (a torn write)."""
    try:
        return parse_time(record[: record.index(b" ")])
    except ValueError:
        return None


def closes_line(record: bytes, streams: frozenset[bytes]) -> bool | None:
    """Whether a record ends a line of the wanted streams; ``None`` if it belongs to another stream."""
    parts = record.split(b" ", 3)
    if len(parts) < 4:
        return True
    return None if parts[1] not in streams else parts[2][:1] == b"F"


class LogFormatter:
    """Turns log file bytes, in pieces of any size, into what ``kubectl logs`` prints."""

    def __init__(self, options: LogOptions) -> None:
        self._streams = options.streams
        self._timestamps = options.timestamps
        self._since = options.since
        self._left = options.limit_bytes
        self._torn = b""
        self._line_open: dict[bytes, bool] = {}

    @property
    def exhausted(self) -> bool:
        """Whether ``limit_bytes`` have been given out."""
        return self._left is not None and self._left <= 0

    def feed(self, data: bytes) -> bytes:
        """The text of the complete records in ``data``; a record cut by its end waits for the next call."""
        whole, newline, tail = (self._torn + data).rpartition(b"\n")
        self._torn = tail
        if not newline:
            return b""
        text = b"".join(map(self._text, whole.split(b"\n"))) if whole else b""
        return self._limited(text)

    def reopen(self) -> None:
        """Another file follows: what was torn at the end of the last one never gets its newline."""
        self._torn = b""

    def _limited(self, text: bytes) -> bytes:
        if self._left is None:
            return text
        text = text[: max(self._left, 0)]
        self._left -= len(text)
        return text

    def _text(self, record: bytes) -> bytes:
        try:
            stamp, stream, tag, text = record.split(b" ", 3)
        except ValueError:
            # Not a record: a write that a power cut tore. Show it rather than hide it.
            return record + b"\n" if record else b""
        if stream not in self._streams:
            return b""
        if self._since is not None:
            moment = record_time(record)
            if moment is None or moment < self._since:
                return b""
            self._since = None  # records are in order of time
        complete = tag[:1] == b"F"
        if not self._timestamps:
            return text + b"\n" if complete else text
        prefix = b"" if self._line_open.get(stream) else stamp + b" "
        self._line_open[stream] = not complete
        return prefix + text + b"\n" if complete else prefix + text


ReadAt = Callable[[int, int], bytes]
"""``read(size, offset)`` of a log file's content, like pread(2)."""

BLOCK: Final = 1 << 16


def tail_offset(read: ReadAt, size: int, want: int, streams: frozenset[bytes]) -> tuple[int, int]:
    """Where the last ``want`` lines of a file begin, and how many lines there are from there: fewer than wanted if
    the file is short.

    Reads backwards, block by block, no more than is needed.
    """
    found, position, carry = 0, size, b""
    newest = True
    while position > 0:
        step = min(BLOCK, position)
        position -= step
        data = read(step, position) + carry
        end = len(data)
        while end:
            start = data.rfind(b"\n", 0, end - 1) + 1
            if start == 0 and position > 0:
                break  # this record begins in an earlier block
            closes = closes_line(data[start:end], streams)
            if closes is not None:
                if closes or newest:
                    found += 1
                    if found > want:
                        return position + end, want
                newest = False
            end = start
        carry = data[:end]
    return 0, found


def since_offset(read: ReadAt, size: int, since: int) -> int:
    """The offset of the first record not older than ``since`` (Unix nanoseconds), by bisection: records are in order
    of time.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        start = _record_start(read, size, middle)
        moment = record_time(read(64, start)) if start < high else None
        if start >= high:
            high = middle
        elif moment is None or moment < since:
            low = max(start + 1, middle + 1)
        else:
            high = middle
    return _record_start(read, size, low)


def _record_start(read: ReadAt, size: int, offset: int) -> int:
    """The first offset at or after ``offset`` where a record begins."""
    if offset == 0:
        return 0
    at = offset - 1
    while at < size:
        block = read(BLOCK, at)
        if not block:
            break
        newline = block.find(b"\n")
        if newline >= 0:
            return at + newline + 1
        at += len(block)
    return size
