"""Telling the service manager how we are (sd_notify(3)): one datagram a message, no library."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Final

log = logging.getLogger(__name__)

_MICROSECONDS: Final = 1_000_000


class Notifier:
    """The service manager's notification socket; says nothing where there is none."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        values = os.environ if environment is None else environment
        self._address = values.get("NOTIFY_SOCKET", "")
        self._timer: asyncio.TimerHandle | None = None
        self._interval = _watchdog_seconds(values.get("WATCHDOG_USEC", ""), values.get("WATCHDOG_PID", ""))

    def ready(self, status: str) -> None:
        """We serve; from now on the watchdog is fed."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")
        if self._interval is not None:
            self._feed()

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """We are about to end."""
        if self._timer is not None:
            self._timer.cancel()
        self._send("STOPPING=1")

    def _feed(self) -> None:
        # From the event loop itself: a loop that hangs is what the watchdog is for.
        self._send("WATCHDOG=1")
        assert self._interval is not None
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._feed)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A name that begins with @ is in the abstract namespace (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message.encode(), address)
        except OSError as error:
            log.warning("cannot notify the service manager at %s: %s", self._address, error)


def _watchdog_seconds(period: str, pid: str) -> float | None:
    """How often to feed the watchdog: twice in each period (sd_watchdog_enabled(3)); ``None`` for never."""
    if not period.isdigit() or (pid.isdigit() and int(pid) != os.getpid()):
        return None
    return int(period) / _MICROSECONDS / 2
