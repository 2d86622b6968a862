"""What can go wrong between a client and the daemon."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pyrt.errors import PyrtError


class ClientError(PyrtError):
    """The root of the client's family."""


class UnreachableError(ClientError):
    """Nobody listens on the daemon's socket (``errno`` says why)."""


class ProtocolError(ClientError):
    """The other side does not speak HTTP/1.1 or RFC 6455, or hung up in the middle of a sentence."""


class DeadlineError(ClientError):
    """What was waited for did not happen in time."""


class Cause(NamedTuple):
    """One entry of ``status.details.causes``."""

    field: str
    message: str
    reason: str = ""


class ApiError(ClientError):
    """The server answered with a ``Status`` of kind Failure (API conventions, "Response Status Kind")."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        kind: str = "",
        name: str = "",
        causes: tuple[Cause, ...] = (),
        has_details: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.kind = kind
        self.name = name
        self.causes = causes
        self.has_details = has_details

    @classmethod
    def from_status(cls, status: dict[str, Any], code: int = 0) -> ApiError:
        """Read a ``Status`` object; ``code`` is the HTTP status, used when the object has none."""
        details = status.get("details") or {}
        causes = tuple(
            Cause(field=cause.get("field", ""), message=cause.get("message", ""), reason=cause.get("reason", ""))
            for cause in details.get("causes") or ()
        )
        return cls(
            int(status.get("code") or code),
            status.get("reason", ""),
            status.get("message", ""),
            kind=details.get("kind", ""),
            name=details.get("name", ""),
            causes=causes,
            has_details=bool(details),
        )

    @classmethod
    def from_response(cls, code: int, reason: str, body: bytes) -> ApiError:
        """What an HTTP answer that is no success means, whether or not it carries a ``Status``."""
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        if isinstance(value, dict) and value.get("kind") == "Status":
            return cls.from_status(value, code)
        text = body.decode(errors="replace").strip()
        return cls(code, "", text or f"the server answered {code} {reason}".rstrip())

    def with_source(self, doing: str, source: str) -> ApiError:
        """The same error, its message saying what was being done with which file."""
        return ApiError(
            self.code,
            self.reason,
            f'error when {doing} "{source}": {self.message}',
            kind=self.kind,
            name=self.name,
            causes=self.causes,
            has_details=self.has_details,
        )
