"""What can be wrong with a static pod."""

from __future__ import annotations

from pyrt.errors import PyrtError


class StaticPodError(PyrtError):
    """A manifest that makes no static pod; ``subject`` is its file or URL, and the message names the field."""


class SourceError(PyrtError):
    """A source that cannot be read at all: what it said before holds."""
