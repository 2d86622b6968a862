"""The HTTP server: from a request to the function that answers it, and from every failure to a ``Status``.

aiohttp's low-level server is used without its router and middlewares: paths are taken apart once and looked up in the
table of kinds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from aiohttp import web

from pyrt.api import discovery, openapi, rest
from pyrt.api.call import BODY_LIMIT, JSON, Answer, Call, Streamed, answer
from pyrt.api.errors import ApiError, internal, method_not_allowed, no_such_path, too_large, unavailable
from pyrt.api.resources import Resource
from pyrt.api.routing import Route, parse_path
from pyrt.api.table import accepts_json
from pyrt.errors import PyrtError
from pyrt.store import Store, StoreBusy, StoreFull

log = logging.getLogger(__name__)

Result: TypeAlias = Answer | Streamed
Handler: TypeAlias = Callable[[Call], Result | Awaitable[Result]]
StreamHandler: TypeAlias = Callable[[Call, web.BaseRequest], Awaitable[web.StreamResponse | Answer]]
_REPEATED: Final = ("command", "dryRun", "ports")


class ApiServer:
    """Serves one table of kinds.

    ``subresources`` are by (resource, name); ``custom`` by (method, group, path below the group's version);
    ``groups`` are handlers of whole groups, and ``listed`` what discovery says of what is answered by hand. Stream
    handlers get the request itself: they upgrade it, or read a body without bound.
    """

    def __init__(
        self,
        store: Store,
        resources: Iterable[Resource],
        *,
        subresources: Mapping[tuple[str, str], Handler],
        streams: Mapping[tuple[str, str], StreamHandler],
        custom: Mapping[tuple[str, str, str], Handler],
        custom_streams: Mapping[tuple[str, str, str], StreamHandler],
        groups: Mapping[tuple[str, str], Handler],
        listed: Mapping[tuple[str, str], Iterable[discovery.Listed]],
    ) -> None:
        self._store = store
        self._resources = list(resources)
        self._table = {(r.group, r.version, r.plural): r for r in self._resources}
        self._subresources = subresources
        self._streams = streams
        self._custom = custom
        self._custom_streams = custom_streams
        self._groups = groups
        self._listed = listed
        self._extra_groups = sorted({*groups, *((group, "v1") for _, group, _ in (*custom, *custom_streams))})
        self.stopping = False
        self._streaming: set[asyncio.Task[Any]] = set()

    def stop(self) -> None:
        """Take no more changes, and end every stream: watches, followed logs, sessions."""
        self.stopping = True
        for task in self._streaming:
            task.cancel()

    @contextlib.contextmanager
    def _long(self) -> Iterator[None]:
        """The current request may last as long as its client likes, but not longer than the daemon."""
        task = asyncio.current_task()
        assert task is not None
        self._streaming.add(task)
        try:
            yield
        finally:
            self._streaming.discard(task)

    def server(self) -> web.Server:
        """What a listening socket is given: ``loop.create_unix_server(api.server(), sock=...)``."""
        # A handler is cancelled when its client goes away: watches, logs and pulls end with it.
        return web.Server(self.handle, handler_cancellation=True, access_log=None, keepalive_timeout=300)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        call: Call | None = None
        try:
            path = request.path
            route = parse_path(path)
            if route is None or not route.resource:
                result: Result = self._describe(request.method, path, route)
            else:
                call = await self._call(request, route)
                found = self._stream_handler(call)
                if found is not None:
                    with self._long():
                        outcome = await found(call, request)
                    if not isinstance(outcome, Answer):
                        return outcome
                    result = outcome
                else:
                    result = await self._dispatch(call)
        except ApiError as error:
            result = answer(error.status(), error.code)
        except StoreFull as error:
            result = answer(ApiError(507, "InsufficientStorage", str(error)).status(), 507)
        except StoreBusy as error:
            result = answer(unavailable(str(error)).status(), 503)
        except PyrtError as error:
            result = answer(internal(str(error)).status(), 500)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The boundary: a fault in pyrt is a 500 for the client and a trace in the log.
            log.exception("%s %s", request.method, request.rel_url)
            result = answer(internal(f"{type(error).__name__}: {error}").status(), 500)
        return await self._respond(request, result, call.warnings if call is not None else ())

    # --- from the request -----------------------------------------------------------------------------------------

    async def _call(self, request: web.BaseRequest, route: Route) -> Call:
        query = request.query
        call = Call(
            method=request.method,
            route=route,
            query=query,
            repeated={name: query.getall(name) for name in _REPEATED if name in query},
            accept=request.headers.get("Accept", ""),
            content_type=request.headers.get("Content-Type", ""),
        )
        if self.stopping and request.method not in ("GET", "HEAD"):
            raise unavailable("the daemon is stopping")
        unbounded = (request.method, route.group, _below(route)) in self._custom_streams
        if request.can_read_body and not unbounded:
            call.body = await _body(request)
        return call

    def _stream_handler(self, call: Call) -> StreamHandler | None:
        route = call.route
        if route.subresource and not route.group:
            return self._streams.get((route.resource, route.subresource))
        return self._custom_streams.get((call.method, route.group, _below(route)))

    async def _dispatch(self, call: Call) -> Result:
        route = call.route
        resource = self._table.get((route.group, route.version, route.resource))
        if resource is None:
            custom = self._custom.get((call.method, route.group, _below(route))) or self._groups.get(
                (route.group, route.version)
            )
            if custom is None:
                raise no_such_path()
            found = custom(call)
            return found if isinstance(found, Answer | Streamed) else await found
        if not accepts_json(call.accept):
            raise ApiError(406, "NotAcceptable", f"only the following media types are accepted: {JSON}")
        if not route.subresource:
            return await rest.serve(self._store, resource, call)
        if route.rest:
            raise no_such_path()
        for sub in resource.subresources:
            if sub.name == route.subresource and sub.strategy is not None:
                return rest.serve_subresource(self._store, resource, sub.strategy, call)
        handler = self._subresources.get((route.resource, route.subresource))
        if handler is None:
            raise no_such_path()
        if call.method not in ("GET", "HEAD"):
            raise method_not_allowed(call.method.lower(), f"{route.resource}/{route.subresource}")
        found = handler(call)
        return found if isinstance(found, Answer | Streamed) else await found

    def _describe(self, method: str, path: str, route: Route | None) -> Answer:
        if method not in ("GET", "HEAD"):
            raise no_such_path()
        if route is not None:
            known = {(r.group, r.version) for r in self._resources} | set(self._extra_groups)
            if (route.group, route.version) not in known:
                raise no_such_path()
            listed = self._listed.get((route.group, route.version), ())
            return answer(discovery.resource_list(route.group, route.version, self._resources, listed))
        match [part for part in path.split("/") if part]:
            case ["api"]:
                return answer(discovery.api_versions())
            case ["apis"]:
                return answer(discovery.groups(self._resources, self._extra_groups))
            case ["apis", name]:
                for group, version in {(r.group, r.version) for r in self._resources} | set(self._extra_groups):
                    if group == name:
                        return answer({"kind": "APIGroup", "apiVersion": "v1"} | discovery.group(group, version))
            case ["openapi", "v3"]:
                return answer(openapi.index(self._resources))
            case ["openapi", "v3", *rest]:
                for group, version in {(r.group, r.version) for r in self._resources}:
                    if "/".join(rest) == openapi.path_of(group, version):
                        return answer(openapi.document(group, version, self._resources))
            case ["version"]:
                return answer(discovery.version())
            case ["healthz" | "livez" | "readyz", *_]:
                if self.stopping:
                    return Answer(503, b"stopping", "text/plain")
                return Answer(200, b"ok", "text/plain")
            case []:
                paths = ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]
                return answer({"paths": paths})
        raise no_such_path()

    # --- to the response ------------------------------------------------------------------------------------------

    async def _respond(self, request: web.BaseRequest, result: Result, warnings: Iterable[str]) -> web.StreamResponse:
        headers = [("Warning", f'299 - "{_quoted(text)}"') for text in warnings]
        if isinstance(result, Answer):
            return web.Response(status=result.code, body=result.body, content_type=result.content_type, headers=headers)
        with self._long():
            return await self._stream(request, result, headers)

    async def _stream(
        self, request: web.BaseRequest, result: Streamed, headers: list[tuple[str, str]]
    ) -> web.StreamResponse:
        pieces = aiter(result.pieces)
        # Up to the first piece a failure can still be an answer of its own.
        first: Any = asyncio.ensure_future(anext(pieces, None))
        response = web.StreamResponse(status=result.code, headers=headers)
        response.content_type = result.content_type
        try:
            done, _ = await asyncio.wait([first], timeout=0.005)
            if done and isinstance(error := first.exception(), PyrtError):
                return await self._respond(request, _failed(error), ())
            await response.prepare(request)
            piece = await first
            while piece is not None:
                await response.write(piece)
                piece = await anext(pieces, None)
            await response.write_eof()
        except ConnectionError:
            pass  # the client has gone: nobody to tell
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.stopping or not response.prepared or task is None:
                raise
            task.uncancel()
            await response.write_eof()
        except PyrtError as error:
            # The status line is long gone; break the stream off so that the client sees it is not whole.
            log.warning("%s %s: %s", request.method, request.path, error)
            if request.transport is not None:
                request.transport.close()
        finally:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await result.pieces.aclose()  # type: ignore[attr-defined]
        return response


def _failed(error: PyrtError) -> Answer:
    known = error if isinstance(error, ApiError) else internal(str(error))
    return answer(known.status(), known.code)


def _below(route: Route) -> str:
    """The path below the group's version, as written."""
    return "/".join(part for part in (route.resource, route.name, route.subresource, route.rest) if part)


async def _body(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > BODY_LIMIT:
        raise too_large(BODY_LIMIT)
    chunks: list[bytes] = []
    size = 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise too_large(BODY_LIMIT)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _quoted(text: str) -> str:
    # A header is one line of visible characters (RFC 9110, 5.5); the text is quoted (RFC 7234, 5.5).
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
