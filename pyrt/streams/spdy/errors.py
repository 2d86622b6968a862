"""What can be wrong with the other side."""

from __future__ import annotations

from pyrt.errors import PyrtError


class SpdyError(PyrtError):
    """The peer broke the protocol in a way after which nothing that it sends can be understood: the session ends."""
