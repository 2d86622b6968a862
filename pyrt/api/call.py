"""One request and its answer, apart from HTTP's machinery: what the verbs take and give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pyrt.api.routing import Route

JSON: Final = "application/json"
BODY_LIMIT: Final = 3 * 1024 * 1024
"""Bytes of a request's body: what the API server takes (apiserver, ``MaxRequestBodyBytes``)."""


@dataclass(slots=True)
class Call:
    """A request below a versioned group."""

    method: str
    route: Route
    query: Mapping[str, str]
    repeated: Mapping[str, list[str]] = field(default_factory=dict)
    """Parameters that may come several times (``dryRun``, ``command``)."""
    accept: str = ""
    content_type: str = ""
    body: bytes = b""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    code: int
    body: bytes
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that comes in pieces."""

    pieces: AsyncIterator[bytes]
    content_type: str = JSON
    code: int = 200


def answer(value: Any, code: int = 200) -> Answer:
    """A value as JSON."""
    return Answer(code, msgspec.json.encode(value))
