"""Debian's docker-registry on the loopback, and pushing a layout to it.

Used by scripts/registry (demo, bench) and by the tests, each with a registry of its own.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

_START_SECONDS = 20.0


def free_port() -> int:
    """A TCP port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(directory: Path, port: int, extra: Mapping[str, object] | None = None) -> Path:
    """The registry's configuration. JSON is YAML, so that nothing but the standard library is needed."""
    document: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "storage")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
        **(extra or {}),
    }
    path = directory / "config.yml"
    path.write_text(json.dumps(document, indent=1))
    return path


def start(directory: Path, port: int, extra: Mapping[str, object] | None = None) -> int:
    """Start a registry that keeps everything in ``directory``; returns its pid once it answers."""
    directory.mkdir(parents=True, exist_ok=True)
    config = write_config(directory, port, extra)
    with open(directory / "log", "ab") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", ""), "OTEL_TRACES_EXPORTER": "none"},
        )
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = (directory / "log").read_text(errors="replace")[-2000:]
                raise SystemExit(f"docker-registry did not start on port {port}: {error}\n{said}") from error
            time.sleep(0.02)
    (directory / "pid").write_text(str(process.pid))
    return process.pid


def stop(directory: Path) -> None:
    """Stop the registry of ``directory`` and wait for its end. Quiet if there is none."""
    try:
        pid = int((directory / "pid").read_text())
        handle = os.pidfd_open(pid)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return
    try:
        # The number may be somebody else's by now.
        if b"docker-registry" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], 10)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    finally:
        os.close(handle)
    (directory / "pid").unlink()


class Pusher:
    """Pushes the images of a layout to one registry, under their names without the registry's host."""

    def __init__(self, url: str, credentials: str = "") -> None:
        """``credentials``: ``user:password`` for Basic authentication."""
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.netloc, timeout=60)
        self._headers = {}
        if credentials:
            self._headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
        self._done: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def push(self, layout: Path) -> list[str]:
        """Push everything; returns ``repository:tag`` of each image."""
        index = json.loads((layout / "index.json").read_bytes())
        pushed = []
        for descriptor in index["manifests"]:
            name = descriptor["annotations"]["org.opencontainers.image.ref.name"]
            repository, _, tag = name.partition("/")[2].rpartition(":")
            self._push_manifest(layout, repository, descriptor, tag)
            pushed.append(f"{repository}:{tag}")
        return pushed

    def _push_manifest(self, layout: Path, repository: str, descriptor: dict[str, str], reference: str) -> None:
        content = _blob(layout, descriptor["digest"]).read_bytes()
        document = json.loads(content)
        for child in document.get("manifests", ()):
            self._push_manifest(layout, repository, child, child["digest"])
        for blob in [document["config"], *document["layers"]] if "config" in document else ():
            self._push_blob(layout, repository, blob["digest"])
        headers = {"Content-Type": descriptor["mediaType"]}
        self._ask("PUT", f"/v2/{repository}/manifests/{reference}", 201, content, headers)

    def _push_blob(self, layout: Path, repository: str, digest: str) -> None:
        if (repository, digest) in self._done:
            return
        # What another repository of the registry has is mounted, not sent.
        other = next((name for name, known in self._done if known == digest), "")
        mount = f"?mount={digest}&from={other}" if other else ""
        status, headers = self._ask("POST", f"/v2/{repository}/blobs/uploads/{mount}", (201, 202), b"")
        if status == 202:
            target = urlsplit(headers["Location"])
            query = f"{target.query}&" if target.query else ""
            path = _blob(layout, digest)
            sent = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
            self._ask("PUT", f"{target.path}?{query}digest={digest}", 201, path, sent)
        self._done.add((repository, digest))

    def _ask(
        self,
        method: str,
        path: str,
        expected: int | tuple[int, ...],
        body: bytes | Path,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str]]:
        if isinstance(body, Path):
            with body.open("rb") as file:
                self._connection.request(method, path, file, {**self._headers, **(headers or {})})
                response = self._connection.getresponse()
        else:
            self._connection.request(method, path, body, {**self._headers, **(headers or {})})
            response = self._connection.getresponse()
        said = response.read()
        if response.status not in (expected if isinstance(expected, tuple) else (expected,)):
            raise SystemExit(f"{method} {path}: {response.status} {response.reason}: {said[:500]!r}")
        return response.status, dict(response.headers)


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest.removeprefix("sha256:")


def push(layout: Path, url: str, credentials: str = "") -> list[str]:
    """Push the images of ``layout`` to the registry at ``url``."""
    pusher = Pusher(url, credentials)
    try:
        return pusher.push(layout)
    finally:
        pusher.close()
