"""A daemon of the benchmark's own, warm, with one image in it, driven through the public API."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness

from pyrt.client.api import Api
from pyrt.client.errors import ApiError, UnreachableError

IMAGE = "bench.example/busybox:1"
PODS = "/api/v1/namespaces/default/pods"
Pod = dict[str, Any]


def docker_archive(directory: Path, rootfs: Path) -> Path:
    """The root directory as an image with one layer (the format of ``docker save``)."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(rootfs, arcname=".")
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    path = directory / "image.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in (
            ("config.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
            ("layer.tar", layer.getvalue()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def pod(name: str, *command: str, **spec: object) -> Pod:
    """A pod with one container that never restarts."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "app", "image": IMAGE, "command": list(command), "imagePullPolicy": "IfNotPresent"}
            ],
            **spec,
        },
    }


def terminated(item: Pod) -> bool:
    """Has its only container ended?"""
    statuses = item.get("status", {}).get("containerStatuses") or [{}]
    return "terminated" in statuses[0].get("state", {})


def running(item: Pod) -> bool:
    """Is its only container running?"""
    statuses = item.get("status", {}).get("containerStatuses") or [{}]
    return "running" in statuses[0].get("state", {})


class Daemon:
    """The running daemon."""

    def __init__(self, process: subprocess.Popen[bytes], socket: Path) -> None:
        self.process = process
        self.socket = socket
        self.api = Api(str(socket), timeout=60)

    @property
    def pid(self) -> int:
        return self.process.pid

    def watch(self) -> Iterator[tuple[str, Pod]]:
        """Every event from now on; the connection is open when this returns."""
        lines = self.watch_lines()

        def events() -> Iterator[tuple[str, Pod]]:
            for line in lines:
                event = json.loads(line)
                yield event["type"], event["object"]

        return events()

    def watch_lines(self) -> Generator[bytes, None, None]:
        """The same, not decoded."""
        version = self.api.get(PODS)["metadata"]["resourceVersion"]
        response = self.api.open("GET", PODS, {"watch": True, "resourceVersion": version})

        def lines() -> Generator[bytes, None, None]:
            with response:
                yield from response.lines()

        return lines()

    def create(self, manifest: Pod) -> None:
        self.api.call("POST", PODS, body=manifest)

    def delete(self, name: str) -> None:
        self.api.call("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 0})

    def wait(self, name: str, condition: Any, timeout: float = 60) -> Pod:
        """Poll until a pod is as wanted (for set-up; measured waits use a watch)."""
        deadline = time.monotonic() + timeout
        while True:
            item = self.api.get(f"{PODS}/{name}")
            if condition(item):
                return item
            if time.monotonic() > deadline:
                raise RuntimeError(f"pod {name}: {json.dumps(item.get('status'))}")
            time.sleep(0.01)

    def gone(self, timeout: float = 60) -> None:
        """Wait until there is no pod."""
        deadline = time.monotonic() + timeout
        while self.api.get(PODS)["items"]:
            if time.monotonic() > deadline:
                raise RuntimeError("pods are still there")
            time.sleep(0.02)


@contextmanager
def daemon(directory: Path, rootfs: Path, settings: str = "") -> Iterator[Daemon]:
    """Start one on an instance of its own; afterwards everything of it is gone. ``settings`` are more sections."""
    with harness.scratch_run() as run, _started(directory, run, rootfs, settings) as server:
        yield server


@contextmanager
def _started(directory: Path, run: Path, rootfs: Path, settings: str) -> Iterator[Daemon]:
    tag = hashlib.sha256(str(directory).encode()).hexdigest()[:5]
    config = directory / "config.toml"
    config.write_text(
        f'[paths]\nroot = "{directory}/lib"\nrun = "{run}"\nlogs = "{directory}/logs"\n'
        f'manifests = "{directory}/manifests"\n'
        f'[network]\nipv4_cidr = "10.240.0.0/16"\nipv6_cidr = "fd0c:5079:7280::/64"\n'
        f'interface_prefix = "b{tag}"\nnft_table = "pyrt_bench_{tag}"\n'
        f'[cgroup]\nparent = "pyrt-bench-{tag}"\n{settings}'
    )
    log = (directory / "daemon.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "pyrt.cli", "--config", str(config), "daemon"],
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    running_daemon = Daemon(process, run / "pyrt.sock")
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                running_daemon.api.open("GET", "/readyz").close()
                break
            except (ApiError, UnreachableError):
                if process.poll() is not None or time.monotonic() > deadline:
                    text = (directory / "daemon.log").read_text()[-2000:]
                    raise RuntimeError(f"the daemon did not start:\n{text}") from None
                time.sleep(0.05)
        archive = docker_archive(directory, rootfs)
        running_daemon.api.call("POST", "/apis/pyrt.dev/v1/images/import", {"path": str(archive), "tag": IMAGE})
        yield running_daemon
    finally:
        if process.poll() is None:
            harness.run(sys.executable, "-m", "pyrt.cli", "--config", str(config), "delete", "pod", "--all", "--force")
            harness.run(sys.executable, "-m", "pyrt.cli", "--config", str(config), "system", "reset", "--yes")
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)
        log.close()
