"""An httpGet as a request: address, target and header lines (kubelet, ``probe/http/request.go``; Go, ``net/http``).

Pure. What a user wrote may be wrong in ways that validation does not see; Go's client would refuse some of it, and so
does this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from pyrt.kube.container import Container
from pyrt.kube.probes import HTTPGetAction, HTTPHeader
from pyrt.pods.errors import PodError
from pyrt.pods.probes.connection import join

VERSION: Final = "1.36"
"""Of Kubernetes, in the User-Agent."""
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SAFE: Final = "%/:;,?@&=+$-_.!~*'()[]"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class HandlerError(PodError):
    """A handler that cannot be carried out as it is written: a port that has no number."""


@dataclass(frozen=True, slots=True)
class Request:
    """A GET. ``target`` is what follows the method; ``host_header`` is empty when the address says it."""

    scheme: str
    host: str
    port: int
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    host_header: str = ""

    @property
    def url(self) -> str:
        """As Go prints it."""
        return f"{self.scheme}://{join(self.host, self.port)}{self.target}"

    @lru_cache(maxsize=2048)  # noqa: B019 - frozen, and the cache is bounded
    def encode(self) -> bytes:
        """The bytes of the request; the same every second, so made once."""
        lines = [f"GET {self.target} HTTP/1.1", f"Host: {self.host_header or join(self.host, self.port)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode(errors="replace")


def resolve_port(port: int | str, container: Container) -> int:
    """The number of a port, which may be given by name (kubelet, ``probe/util.go``).

    Raises :class:`HandlerError`.
    """
    if isinstance(port, str):
        for known in container.ports:
            if known.name == port:
                port = known.container_port
                break
        else:
            if not (port.isascii() and port.isdecimal()):
                raise HandlerError(f'strconv.Atoi: parsing "{port}": invalid syntax')
            port = int(port)
    if not 0 < port < 65536:
        raise HandlerError(f"invalid port number: {port}")
    return port


def make_request(action: HTTPGetAction, container: Container, address: str, purpose: str) -> Request:
    """The request of ``action``; ``address`` is the pod's, ``purpose`` ``probe`` or ``lifecycle``.

    Raises :class:`HandlerError`.
    """
    headers, host_header = _headers(action.http_headers, purpose)
    scheme = action.scheme.lower() or "http"
    host = action.host or address
    if not host:
        raise HandlerError("the pod has no address yet")
    port = resolve_port(action.port, container)
    return Request(scheme, host, port, _target(action.path), headers, host_header)


def redirected(request: Request, location: str) -> Request | None:
    """Where a redirect leads, or ``None`` when it leaves the host: then the answer is taken as it is."""
    try:
        to = urlsplit(urljoin(request.url, location))
        elsewhere = urlsplit(location).netloc
    except ValueError:
        return None
    host = to.hostname or ""
    if host != request.host.lower() or to.scheme not in _DEFAULT_PORTS:
        return None
    try:
        port = to.port or _DEFAULT_PORTS[to.scheme]
    except ValueError:
        return None
    target = _quoted(to.path or "/") + (f"?{_quoted(to.query)}" if to.query else "")
    # A Host header of the user's own goes along only when the redirect names no other (net/http, Client.do).
    kept = "" if elsewhere else request.host_header
    return replace(request, scheme=to.scheme, port=port, target=target, host_header=kept)


def _headers(given: Sequence[HTTPHeader], purpose: str) -> tuple[tuple[tuple[str, str], ...], str]:
    host = ""
    found: list[tuple[str, str]] = []
    for header in given:
        if _UNSENDABLE.search(header.value):
            raise HandlerError(f'net/http: invalid header field value for "{header.name}"')
        name = "-".join(word.capitalize() for word in header.name.split("-"))
        if name == "Host":
            host = host or header.value
        elif name not in ("Connection", "Content-Length", "Transfer-Encoding"):
            found.append((name, header.value))
    names = {name for name, _ in found}
    if "User-Agent" not in names:
        found.append(("User-Agent", f"kube-{purpose}/{VERSION}"))
    accepted = next((value for name, value in found if name == "Accept"), "*/*")
    found = [(name, value) for name, value in found if name != "Accept" or accepted]
    if "Accept" not in names:
        found.append(("Accept", "*/*"))
    return tuple(sorted(found, key=lambda header: header[0])), host


def _target(path: str) -> str:
    """The path and query of what may be a whole URL; what cannot be parsed is taken for a path."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/" + quote(path, safe="/", errors="replace").lstrip("/")
    target = _quoted(parts.path)
    if not target.startswith("/"):
        target = f"/{target}"
    return target + (f"?{_quoted(parts.query)}" if parts.query else "")


def _quoted(text: str) -> str:
    """Only what may stand in a request line; escapes that are there stay."""
    return quote(text, safe=_SAFE, errors="replace")
