"""Times as the API writes them (RFC 3339, UTC) and as everything else counts them (Unix nanoseconds)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

_SECOND = 1_000_000_000


@lru_cache(maxsize=256)
def _whole(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def to_text(nanoseconds: int) -> str:
    """``2026-11-23T18:54:33Z``: whole seconds, as metav1.Time."""
    return _whole(nanoseconds // _SECOND) + "Z"


def to_micro_text(nanoseconds: int) -> str:
    """``2026-11-23T18:54:33.123456Z``: metav1.MicroTime."""
    second, rest = divmod(nanoseconds, _SECOND)
    return f"{_whole(second)}.{rest // 1000:06}Z"


def from_text(text: str) -> int:
    """Unix nanoseconds of an RFC 3339 time.

    Raises
    ------
    ValueError: ``text`` is no RFC 3339 time with an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    whole = moment.astimezone(UTC)
    return int(whole.timestamp()) * _SECOND + whole.microsecond * 1000
