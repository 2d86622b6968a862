"""HTTP as registries need it: one aiohttp session, redirects followed by hand, answers of bounded size.

aiohttp is imported at the first use: a daemon that never pulls does not carry it for this.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from pyrt.images.errors import LimitError, UnavailableError

if TYPE_CHECKING:
    import aiohttp

_MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_READ_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """Case-insensitive."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe at the other end."""

    insecure: bool = False
    """Any certificate; and a redirect from https to http is followed."""
    ca_file: Path | None = None
    """PEM, besides the system's authorities."""


class Transport:
    """Requests to one registry and to whom it sends us. Errors are :class:`UnavailableError`, naming the host."""

    def __init__(self, trust: Trust, *, subject: str, stall_timeout: float, connect_timeout: float = 15.0) -> None:
        self._trust = trust
        self._subject = subject
        self._stall = stall_timeout
        self._connect = connect_timeout
        self._session: aiohttp.ClientSession | None = None
        self._ssl: ssl.SSLContext | None = None

    async def close(self) -> None:
        """Close every connection. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        limit: int,
    ) -> Answer:
        """One request and its whole answer, at most ``limit`` bytes of it (:class:`LimitError`)."""
        async with self.stream(method, url, query=query, headers=headers, form=form) as response:
            content = bytearray()
            async for chunk in self.chunks(response):
                content += chunk
                if len(content) > limit:
                    raise LimitError(f"the answer is larger than {limit} bytes", subject=self._subject)
            return Answer(response.status, response.reason or "", response.headers, bytes(content))

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """One request, redirects followed, its answer to be read piecemeal.

        ``Authorization`` stays with the host it was meant for: the storage behind a registry gets none
        (CVE-2020-15157 is what happens otherwise).
        """
        import aiohttp

        session = self._open()
        sent = dict(headers or {})
        # The digest is of the bytes that are stored: no transfer compression on top.
        sent["Accept-Encoding"] = "identity"
        parameters = query
        for _ in range(_MAX_REDIRECTS):
            try:
                response = await session.request(
                    method,
                    url,
                    params=parameters,
                    headers=sent,
                    data=form,
                    ssl=self._context() if url.startswith("https:") else True,
                    proxy=_proxy(url),
                    allow_redirects=False,
                    read_bufsize=_READ_BUFFER,
                )
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise self._failed(url, error) from error
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                break
            target = urljoin(str(response.url), response.headers["Location"])
            response.release()
            self._check_redirect(url, target)
            if urlsplit(target).netloc != urlsplit(url).netloc:
                if form is not None:  # it holds a secret
                    raise UnavailableError(f"refused to follow its redirect to {target}", subject=self._subject)
                sent.pop("Authorization", None)
            url, parameters = target, None
        else:
            raise UnavailableError(f"more than {_MAX_REDIRECTS} redirects", subject=self._subject)
        try:
            yield response
        finally:
            # close, not release: what is left of a blob is not worth reading.
            if response.content.at_eof():
                response.release()
            else:
                response.close()

    async def chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        import aiohttp

        try:
            async for chunk in response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(str(response.url), error) from error

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=self._connect, sock_read=self._stall, ceil_threshold=3600
            )
            self._session = aiohttp.ClientSession(
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "pyrt"},
                connector=aiohttp.TCPConnector(limit=32, happy_eyeballs_delay=0.1),
            )
        return self._session

    def _context(self) -> ssl.SSLContext:
        if self._ssl is None:
            try:
                self._ssl = ssl.create_default_context()
                if self._trust.ca_file is not None:
                    self._ssl.load_verify_locations(self._trust.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise UnavailableError(
                    str(error), subject=self._subject, operation=f"read certificates from {self._trust.ca_file}"
                ) from error
            if self._trust.insecure:
                self._ssl.check_hostname = False
                self._ssl.verify_mode = ssl.CERT_NONE
        return self._ssl

    def _check_redirect(self, url: str, target: str) -> None:
        scheme = urlsplit(target).scheme
        downgrade = url.startswith("https:") and scheme == "http" and not self._trust.insecure
        if scheme not in ("http", "https") or downgrade:
            raise UnavailableError(f"refused to follow its redirect to {target}", subject=self._subject)

    def _failed(self, url: str, error: BaseException) -> UnavailableError:
        host = urlsplit(url).netloc
        # A redirect or a token server leads elsewhere.
        other = "" if host in self._subject else f"{host}: "
        return UnavailableError(other + _words(error), subject=self._subject)


def _words(error: BaseException) -> str:
    """One short reason for what aiohttp, ssl or the socket said."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"certificate not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no such host"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "does not speak TLS (plain http needs images.insecure_registries)"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return (os.strerror(number) if number else str(error.os_error)).lower()
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionResetError):
        return "connection cut"
    return str(error) or type(error).__name__


def _proxy(url: str) -> str | None:
    """The proxy of the environment (``HTTPS_PROXY``, ``NO_PROXY``); aiohttp's own reading brings ~/.netrc along."""
    parts = urlsplit(url)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)
