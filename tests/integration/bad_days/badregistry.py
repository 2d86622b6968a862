"""A registry on the loopback that serves a layout, and misbehaves by the name of the repository it is asked for.
 ``private``: asks for a password. ``cut``: drops the connection in the middle of each layer, once.
``corrupt``: changes one byte of each layer. ``stall``: sends half of each layer and then
nothing, until :attr:`Registry.going`. ``late``: has nothing until it is told to :attr:`Registry.stocked`.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rootfs.layout import OCI_MANIFEST

SERVED = ("late", "cut", "corrupt", "stall")
_BIG = 100_000
"""Bytes from which a blob is a layer, not a configuration."""


class Registry(ThreadingHTTPServer):
    """``with serving(layout) as registry``."""

    daemon_threads = True

    def __init__(self, layout: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.layout = layout
        self.stocked = False
        self.going = threading.Event()
        self.asked: Counter[str] = Counter()
        index = json.loads((layout / "index.json").read_bytes())
        named = {one["annotations"]["org.opencontainers.image.ref.name"]: one for one in index["manifests"]}
        self.manifests = {
            repository: self.blob(named[f"bad.example/{repository}:1"]["digest"]) for repository in SERVED
        }

    @property
    def host(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self.server_address[1]}"

    def blob(self, digest: str) -> bytes:
        """Content of the layout."""
        return (self.layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        repository, _, rest = self.path.removeprefix("/v2/").partition("/")
        kind, _, reference = rest.partition("/")
        if repository == "private":
            self._answer(401, _errors("UNAUTHORIZED"), {"WWW-Authenticate": 'Basic realm="bad days"'})
        elif repository not in SERVED or (repository == "late" and not self.server.stocked):
            self._answer(404, _errors("MANIFEST_UNKNOWN"), {})
        elif kind == "manifests":
            self._answer(200, self.server.manifests[repository], {"Content-Type": OCI_MANIFEST})
        else:
            self._blob(repository, self.server.blob(reference))

    def _blob(self, repository: str, content: bytes) -> None:
        layer = len(content) >= _BIG
        if layer and repository == "corrupt":
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        if layer and repository == "stall" and not self.server.going.is_set():
            self.close_connection = True
            self._answer(200, content, headers, only=len(content) // 2)
            self.server.going.wait()
            return
        if layer and repository == "cut" and self.server.asked[self.path] == 1:
            self.close_connection = True
            self._answer(200, content, headers, only=len(content) // 2)
            return
        self._answer(206 if start else 200, content[start:], headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str], *, only: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body if only is None else body[:only])


def _errors(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()


@contextlib.contextmanager
def serving(layout: Path) -> Iterator[Registry]:
    """Serve until the block is left."""
    registry = Registry(layout)
    thread = threading.Thread(target=registry.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield registry
    finally:
        registry.going.set()
        registry.shutdown()
        thread.join()
        registry.server_close()
