"""What is wrong with a request for a stream."""

from __future__ import annotations

from collections.abc import Sequence

from pyrt.errors import PyrtError


class UpgradeRefusedError(PyrtError):
    """The request asks for no protocol that is spoken here; ``code`` is the HTTP status, ``headers`` go with it."""

    def __init__(self, message: str, code: int = 400, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(f"unable to upgrade: {message}")
        self.code = code
        self.headers = headers
