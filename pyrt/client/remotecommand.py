"""exec and attach: the Kubernetes channel protocol on a WebSocket (KEP-4006, ``v5.channel.k8s.io`` and ``v4``).

The first octet of each message is the channel: 0 stdin, 1 stdout, 2 stderr, 3 the final ``Status``, 4 the size of the
terminal; in v5, 255 followed by a channel's number closes that channel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pyrt.client.websocket import FRAGMENT, WebSocket, open_websocket

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE_CHANNEL = 255


class RemoteStream:
    """A process's standard streams at a distance."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self.status: dict[str, Any] | None = None
        """The server's last word: a ``Status``, once it has come."""

    def fileno(self) -> int:
        """For select(2)."""
        return self._websocket.fileno()

    @property
    def pending(self) -> bool:
        """Whether :meth:`receive` would give something without reading."""
        return self._websocket.pending

    @property
    def unsent(self) -> int:
        """See :attr:`WebSocket.unsent`."""
        return self._websocket.unsent

    def flush(self) -> None:
        """See :meth:`WebSocket.flush`."""
        self._websocket.flush()

    @property
    def closed(self) -> bool:
        """Nothing more will come."""
        return self._websocket.closed

    def send_stdin(self, data: bytes) -> None:
        """Input for the process."""
        for start in range(0, len(data), FRAGMENT):
            self._websocket.send(bytes((STDIN,)) + data[start : start + FRAGMENT])

    def close_stdin(self) -> None:
        """End of input. In v4 there is no word for it, and the process never learns."""
        if self._websocket.protocol == PROTOCOLS[0]:
            self._websocket.send(bytes((CLOSE_CHANNEL, STDIN)))

    def resize(self, columns: int, rows: int) -> None:
        """The terminal's size, in characters."""
        self._websocket.send(bytes((RESIZE,)) + b'{"Width":%d,"Height":%d}' % (columns, rows))

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Read once; give (STDOUT or STDERR, data). Keeps the ``Status`` to itself."""
        for message in self._websocket.receive():
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel in {STDOUT, STDERR}:
                if data:
                    yield channel, data
            elif channel == ERROR and data:
                self.status = _status(data)

    def close(self) -> None:
        """Drop the connection."""
        self._websocket.close()


def open_remote(socket_path: str, target: str) -> RemoteStream:
    """Start the remote command at ``target`` (path and query of the exec or attach subresource)."""
    return RemoteStream(open_websocket(socket_path, target, PROTOCOLS))


def exit_code(status: dict[str, Any] | None) -> int | None:
    """The process's exit code, 0 for ``Success``; ``None`` if the status tells of another failure."""
    if status is None or status.get("status") == "Success":
        return 0
    if status.get("reason") == "NonZeroExitCode":
        for cause in (status.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode":
                return int(cause.get("message", "1"))
    return None


def _status(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    return {"status": "Failure", "message": data.decode(errors="replace")}
