"""The authentication that registries ask for: challenges read, tokens fetched and kept until they expire.

distribution-spec refers to https://distribution.github.io/distribution/spec/auth/token/ (``GET`` of the realm with
Basic authentication) and .../auth/oauth/ (``POST`` with a refresh token).
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass

from pyrt.images.credentials import Credential
from pyrt.images.errors import UnauthorizedError, UnavailableError
from pyrt.images.transport import Transport

_CHALLENGE = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*)\s+(?=[A-Za-z0-9_-]+\s*=)")
_PARAMETER = re.compile(r"\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))")
_MAX_TOKEN_ANSWER = 1 << 20
_SHORTEST_LIFE = 60.0
"""Seconds a token lives if its server does not say (the token specification's own default)."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme of a ``WWW-Authenticate`` header (RFC 9110, 11.6.1)."""

    scheme: str
    """Lower case: ``bearer``, ``basic``."""
    parameters: dict[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read a ``WWW-Authenticate`` header; what cannot be read ends the list."""
    found: list[Challenge] = []
    at = 0
    while scheme := _CHALLENGE.match(header, at):
        at = scheme.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(header, at)) and not _CHALLENGE.match(header, at):
            name, quoted, bare = parameter.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            at = parameter.end()
        found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)


@dataclass(slots=True)
class _Token:
    header: str
    expires: float
    """On the monotonic clock."""


class Authorizer:
    """The ``Authorization`` header for one repository of one registry, as one identity (or none)."""

    def __init__(
        self, transport: Transport, base: str, scope: str, credential: Credential | None, subject: str
    ) -> None:
        """``base`` is the registry's own URL: credentials never go in the clear to a token server that it names over
        plain http while it itself speaks https.
        """
        self._transport = transport
        self._base = base
        self._scope = scope
        self._credential = credential
        self._subject = subject
        self._token: _Token | None = None
        self._challenges: tuple[Challenge, ...] = ()

    async def header(self) -> str | None:
        """What to send now; ``None`` before the registry has asked for anything."""
        if self._token is not None and time.monotonic() > self._token.expires:
            await self._answer()
        return self._token.header if self._token else None

    async def challenged(self, header: str) -> bool:
        """Answer a 401. Returns whether another try makes sense."""
        before = self._token.header if self._token else None
        self._challenges = parse_challenges(header)
        await self._answer()
        return self._token is not None and self._token.header != before

    async def _answer(self) -> None:
        self._token = None
        for challenge in self._challenges:
            if challenge.scheme == "bearer":
                self._token = await self._bearer(challenge.parameters)
                return
            if challenge.scheme == "basic" and self._credential and self._credential.username:
                self._token = _Token(_basic(self._credential), float("inf"))
                return

    async def _bearer(self, parameters: dict[str, str]) -> _Token:
        credential = self._credential or Credential()
        if credential.registry_token:
            return _Token(f"Bearer {credential.registry_token}", float("inf"))
        realm = parameters.get("realm", "")
        if not re.match(r"https?://[^/]", realm):
            raise UnavailableError(f"it names no token server ({realm!r})", subject=self._subject)
        secret = credential.identity_token or credential.username
        if secret and realm.startswith("http://") and self._base.startswith("https://"):
            raise UnauthorizedError(f"it wants the password sent in the clear to {realm}", subject=self._subject)
        query = {"service": parameters["service"]} if "service" in parameters else {}
        query["scope"] = parameters.get("scope") or self._scope
        if credential.identity_token:
            form = {
                **query,
                "grant_type": "refresh_token",
                "refresh_token": credential.identity_token,
                "client_id": "pyrt",
            }
            answer = await self._transport.request("POST", realm, form=form, limit=_MAX_TOKEN_ANSWER)
        else:
            headers = {"Authorization": _basic(credential)} if credential.username else {}
            if credential.username:
                query["account"] = credential.username
            answer = await self._transport.request("GET", realm, query=query, headers=headers, limit=_MAX_TOKEN_ANSWER)
        if answer.status in (400, 401, 403):
            raise UnauthorizedError(
                f"failed to authorize: the token server {realm} answered {answer.status} {answer.reason}",
                subject=self._subject,
            )
        if answer.status != 200:
            raise UnavailableError(
                f"the token server {realm} answered {answer.status} {answer.reason}", subject=self._subject
            )
        return self._read(answer.content, realm)

    def _read(self, content: bytes, realm: str) -> _Token:
        try:
            document = json.loads(content)
            token = document.get("token") or document["access_token"]
            life = float(document.get("expires_in") or _SHORTEST_LIFE)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnavailableError(f"the token server {realm} answered no token", subject=self._subject) from error
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise UnavailableError(f"the token server {realm} answered no token", subject=self._subject)
        # A little early, so that it does not expire on the way.
        return _Token(f"Bearer {token}", time.monotonic() + max(life * 0.9, 1.0))


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
