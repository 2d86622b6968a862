"""The Kubernetes REST conventions: objects, lists, tables, watches, and failures as exceptions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pyrt.client.errors import ApiError, DeadlineError, ProtocolError, UnreachableError
from pyrt.client.http import Body, Request, Response, send
from pyrt.client.quoting import quote
from pyrt.client.resources import WELL_KNOWN, Resource, from_discovery

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
"""Ask the server to do the columns ("Receiving resources as Tables", Kubernetes API concepts)."""
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Query = Mapping[str, str | int | bool | list[str] | None]
Object = dict[str, Any]
T = TypeVar("T")


def target(path: str, query: Query | None = None) -> str:
    """``path`` with a percent-encoded query; keys whose value is ``None`` or empty are left out."""
    pairs: list[str] = []
    for key, value in (query or {}).items():
        if value is None or value == "" or value == []:
            continue
        for item in value if isinstance(value, list) else [value]:
            text = ("true" if item else "false") if isinstance(item, bool) else str(item)
            pairs.append(f"{key}={quote(text)}")
    return f"{path}?{'&'.join(pairs)}" if pairs else path


class Api:
    """The daemon, as seen through its socket.

    ``on_unreachable`` is called when nobody listens, once; if it returns True the request is tried again.
    ``timeout`` (seconds) bounds each wait for the server; ``None`` waits for ever.
    """

    def __init__(
        self,
        socket_path: str,
        *,
        on_unreachable: Callable[[UnreachableError], bool] | None = None,
        on_warning: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> None:
        self.socket_path = socket_path
        self._on_unreachable = on_unreachable
        self._on_warning = on_warning
        self._timeout = timeout
        self._discovered: list[Resource] | None = None

    def open(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: Body | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Response:
        """Send a request; the caller reads and closes the answer. Raises :class:`ApiError` unless it is a success."""
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        request = Request(method, target(path, query), headers, body)
        response = self.reaching(lambda: send(self.socket_path, request, timeout=self._timeout))
        if self._on_warning is not None and "warning" in response.headers:
            for text in warnings(response.headers["warning"]):
                self._on_warning(text)
        if 200 <= response.status < 300:
            return response
        with response:
            raise ApiError.from_response(response.status, response.reason, response.read())

    def reaching(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt``; if nobody listens, let ``on_unreachable`` see to it and call it once more."""
        try:
            return attempt()
        except UnreachableError as error:
            handler, self._on_unreachable = self._on_unreachable, None
            if handler is None or not handler(error):
                raise
        return attempt()

    def call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: Object | list[Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        """One JSON object for another; a JSON patch is a list."""
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        with self.open(method, path, query, body=data, content_type=content_type, accept=accept) as response:
            return decode(response.read())

    def get(self, path: str, query: Query | None = None, *, accept: str = JSON) -> Object:
        """GET one object, list or table."""
        return self.call("GET", path, query, accept=accept)

    def watch(
        self, path: str, query: Query, *, accept: str = JSON, deadline: float | None = None
    ) -> Iterator[tuple[str, Object]]:
        """(ADDED | MODIFIED | DELETED | BOOKMARK, object) until the server ends the watch.

        An ERROR event (410 Gone: the resourceVersion is too old) is raised as :class:`ApiError`. After ``deadline``
        (of ``time.monotonic``) :class:`DeadlineError` is raised.
        """
        with self.open("GET", path, {**query, "watch": True}, accept=accept) as response:
            lines = response.lines()
            while True:
                if deadline is not None:
                    response.limit(max(deadline - time.monotonic(), 0.001))
                try:
                    line = next(lines, None)
                except TimeoutError:
                    raise DeadlineError("timed out", operation=f"watch {path}") from None
                if line is None:
                    return
                if not line:
                    continue
                event = decode(line)
                if event.get("type") == "ERROR":
                    raise ApiError.from_status(event.get("object") or {})
                yield event.get("type", ""), event.get("object") or {}

    def resource(self, word: str) -> Resource | None:
        """The kind that a user calls ``word``; ``None`` if the server has none of that name."""
        for resource in WELL_KNOWN:
            if resource.answers_to(word):
                return resource
        for resource in self.discover():
            if resource.answers_to(word):
                return resource
        return None

    def resource_of(self, api_version: str, kind: str) -> Resource | None:
        """The resource that holds objects of this kind."""
        for candidates in (WELL_KNOWN, self.discover):
            for resource in candidates() if callable(candidates) else candidates:
                if resource.kind == kind and resource.api_version == api_version:
                    return resource
        return None

    def discover(self) -> list[Resource]:
        """Every resource of every group that the server has."""
        if self._discovered is None:
            found = from_discovery(self.get("/api/v1"))
            for group in self.get("/apis").get("groups") or ():
                version = (group.get("preferredVersion") or group["versions"][0])["groupVersion"]
                found += from_discovery(self.get(f"/apis/{version}"))
            self._discovered = found
        return self._discovered


def decode(data: bytes) -> Object:
    """A JSON object."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ProtocolError(f"the server's answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError("the server's answer is not a JSON object")
    return value


def warnings(header: str) -> Iterator[str]:
    """The texts of a Warning header (RFC 7234 section 5.5): ``299 - "text"``, comma-separated, quotes escaped."""
    position = 0
    while (start := header.find('"', position)) >= 0:
        text: list[str] = []
        position = start + 1
        while position < len(header) and header[position] != '"':
            if header[position] == "\\":
                position += 1
            text.append(header[position : position + 1])
            position += 1
        position += 1
        yield "".join(text)
