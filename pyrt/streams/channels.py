"""The channel protocols of Kubernetes' WebSocket streams: every message begins with the number of its channel.

``channel.k8s.io`` is the first version, ``v4`` reports the end as a ``Status`` on channel 3, ``v5`` can close one
channel (KEP-4006). The base64 twins carry text for clients that cannot send bytes; there the channel is a digit.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
ERROR: Final = 3
RESIZE: Final = 4
CLOSE: Final = 255


@dataclass(frozen=True, slots=True)
class ChannelProtocol:
    """One of the subprotocols."""

    name: str
    base64: bool
    structured_errors: bool
    """Channel 3 carries a ``Status``, also when all went well; otherwise it carries the text of an error."""
    half_close: bool

    def encode(self, channel: int, data: bytes) -> bytes | str:
        """One message: ``bytes`` for a binary frame, ``str`` for a text frame."""
        if self.base64:
            return f"{channel}{base64.b64encode(data).decode()}"
        return bytes((channel,)) + data

    def decode(self, message: bytes | str) -> tuple[int, bytes] | None:
        """(channel, data); ``None`` for a message that means nothing here."""
        raw = message.encode() if isinstance(message, str) else message
        if not raw:
            return None
        if not self.base64:
            return raw[0], raw[1:]
        if not 0x30 <= raw[0] <= 0x39:
            return None
        try:
            return raw[0] - 0x30, base64.b64decode(raw[1:], validate=True)
        except binascii.Error:
            return None


_ALL: Final = (
    ChannelProtocol("v5.channel.k8s.io", base64=False, structured_errors=True, half_close=True),
    ChannelProtocol("v4.channel.k8s.io", base64=False, structured_errors=True, half_close=False),
    ChannelProtocol("v4.base64.channel.k8s.io", base64=True, structured_errors=True, half_close=False),
    ChannelProtocol("channel.k8s.io", base64=False, structured_errors=False, half_close=False),
    ChannelProtocol("base64.channel.k8s.io", base64=True, structured_errors=False, half_close=False),
)

REMOTE_COMMAND: Final = {protocol.name: protocol for protocol in _ALL}
"""What exec and attach speak, best first."""
PORT_FORWARD: Final = {protocol.name: protocol for protocol in _ALL if protocol.name.startswith("v4.")}
"""What portforward speaks over WebSocket."""
TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"
"""Port forwarding's own SPDY streams in the messages of a WebSocket (KEP-4006)."""


def choose(offered: Sequence[str], known: Mapping[str, ChannelProtocol]) -> ChannelProtocol | None:
    """The client's first choice that is known; with no offer at all, the first version, for old clients."""
    if not offered:
        return known.get("channel.k8s.io", known["v4.channel.k8s.io"])
    return next((known[name] for name in offered if name in known), None)
