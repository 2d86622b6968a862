"""Durations and times, as kubectl reads and writes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pyrt.cli.failure import CliError

SECOND, MINUTE, HOUR, DAY, YEAR = 1, 60, 3600, 86400, 365 * 86400

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def human(seconds: float) -> str:
    """An age: two units at most, fewer the older it is (apimachinery's duration.HumanDuration)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    if whole < 2 * MINUTE:
        return f"{whole}s"
    if whole < 10 * MINUTE:
        return _two(whole, MINUTE, "m", SECOND, "s")
    if whole < 3 * HOUR:
        return f"{whole // MINUTE}m"
    if whole < 8 * HOUR:
        return _two(whole, HOUR, "h", MINUTE, "m")
    if whole < 2 * DAY:
        return f"{whole // HOUR}h"
    if whole < 8 * DAY:
        return _two(whole, DAY, "d", HOUR, "h")
    if whole < 2 * YEAR:
        return f"{whole // DAY}d"
    if whole < 8 * YEAR:
        return _two(whole, YEAR, "y", DAY, "d")
    return f"{whole // YEAR}y"


def _two(seconds: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large}{large_unit}" + (f"{rest}{small_unit}" if rest else "")


def parse(text: str) -> float:
    """Seconds of a Go duration: ``1h30m``, ``1.5s``, ``-1s``, ``0``. Raises :class:`CliError`."""
    import re

    match = re.fullmatch(r"([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+", text)
    if text.lstrip("+-") == "0":
        return 0.0
    if match is None:
        raise CliError(f'invalid duration "{text}": expected a number with a unit, such as 30s, 5m or 1h30m')
    total = sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", text))
    return -total if match[1] == "-" else total


def timestamp(text: str) -> float | None:
    """Unix time of an RFC 3339 ``text``; ``None`` for an absent one."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(_six_digits(text)).timestamp()
    except ValueError as error:
        raise CliError(f'invalid time "{text}": expected RFC 3339, such as 2026-01-02T15:04:05Z') from error


def age(text: str | None, now: float | None = None) -> str:
    """How long ago an RFC 3339 time was; ``<unknown>`` for an absent one."""
    since = timestamp(text or "")
    if since is None:
        return "<unknown>"
    return human((time.time() if now is None else now) - since)


def rfc1123(text: str) -> str:
    """An RFC 3339 time as ``describe`` shows it, in the local time zone."""
    at = timestamp(text)
    if at is None:
        return ""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%a, %d %b %Y %H:%M:%S %z")


def _six_digits(text: str) -> str:
    """Nanoseconds cut to the microseconds that Python knows."""
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}"
