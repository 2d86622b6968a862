"""One request for a stream, kept for the moment between the RPC that announces it and the connection that takes it up.

As the kubelet's own cache (``k8s.io/cri-streaming``, request_cache.go), with longer tokens: whoever knows one may run
a command in a container, and every process of the machine may try.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from grpc import StatusCode

from pyrt.cri.errors import CriError

LIFETIME: Final = 60.0
"""Seconds that a token may be used."""
MAX_WAITING: Final = 1000
_BYTES: Final = 18
"""144 bits, in 24 characters of base64."""

Request = TypeVar("Request")


class Tokens(Generic[Request]):
    """Requests by token. Each token is good for one use."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: OrderedDict[str, tuple[float, Request]] = OrderedDict()

    def keep(self, request: Request) -> str:
        """A new token for it. Raises CriError (RESOURCE_EXHAUSTED) while too many wait."""
        now = self._clock()
        while self._waiting:
            token, (until, _) = next(iter(self._waiting.items()))
            if until > now:
                break
            del self._waiting[token]
        if len(self._waiting) >= MAX_WAITING:
            raise CriError("maximum number of in-flight requests exceeded", code=StatusCode.RESOURCE_EXHAUSTED)
        token = secrets.token_urlsafe(_BYTES)
        self._waiting[token] = (now + LIFETIME, request)
        return token

    def take(self, token: str) -> Request | None:
        """The request, which is forgotten now; ``None``: unknown, used, or too old."""
        until, request = self._waiting.pop(token, (0.0, None))
        return request if until > self._clock() else None
