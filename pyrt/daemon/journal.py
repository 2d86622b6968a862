"""The daemon's log: lines on stderr, for people or for the journal."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError

_PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


class _PeopleFormatter(logging.Formatter):
    """``2026-11-23T18:54:33.123Z INFO pods: text``."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        record.name = record.name.removeprefix("pyrt.")
        return super().format(record)


class _JournalFormatter(logging.Formatter):
    """``<6>pods: text``: a priority for each line, no time (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        record.name = record.name.removeprefix("pyrt.")
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def set_up(level: str = "INFO") -> None:
    """Send everything of ``level`` and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    if _is_journal():
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(_PeopleFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_not_a_bad_request)


def _not_a_bad_request(record: logging.LogRecord) -> bool:
    """A client that speaks no HTTP has been answered 400; its nonsense is no fault of ours and no news."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def _is_journal() -> bool:
    """Whether stderr goes to the journal: ``$JOURNAL_STREAM`` names its device and inode (systemd.exec(5))."""
    try:
        info = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{info.st_dev}:{info.st_ino}"
