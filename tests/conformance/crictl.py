#!/usr/bin/env python3
"""A session with crictl on a pyrt of its own: every command is shown with what it says, and checked."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import endpoints
from toolchain import program

from rootfs import registry

_IMAGE = "docker.io/library/nginx:latest"
_SANDBOX = {
    "metadata": {"name": "web", "namespace": "default", "uid": "5a1c7e0e-web", "attempt": 0},
    "hostname": "web",
    "linux": {},
}
_CONTAINER = {
    "metadata": {"name": "nginx", "attempt": 0},
    "image": {"image": _IMAGE},
    "log_path": "nginx.log",
    "linux": {},
}
_PATIENCE = 30.0


class Session:
    """Commands that are shown as they are typed."""

    def __init__(self, crictl: Path, config: Path, cwd: Path) -> None:
        self._command = [str(crictl), "--config", str(config)]
        self._cwd = cwd

    def __call__(self, *words: str, expect: str = "") -> str:
        """Run one; its output has ``expect`` in it. Raises SystemExit."""
        done = self.run(*words)
        said = (done.stdout + done.stderr).replace("\x1b[2J\x1b[H", "")  # stats clears the screen
        _require(done.returncode == 0, f"exit code {done.returncode}")
        _require(expect in said, f"expected {expect!r}")
        return done.stdout.strip()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one, whatever comes of it."""
        print(f"\n$ crictl {' '.join(words)}", flush=True)
        done = subprocess.run(
            [*self._command, *words],
            capture_output=True,
            text=True,
            cwd=self._cwd,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        said = (done.stdout + done.stderr).replace("\x1b[2J\x1b[H", "")
        print(said.rstrip() if len(said) < 3000 else said[:3000] + "...", flush=True)
        return done

    def interactive(self, *words: str, typed: str, expect: str) -> None:
        """Run one at a terminal and type ``typed``."""
        print(f"\n$ crictl {' '.join(words)}", flush=True)
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self._cwd)
            os.execv(self._command[0], [*self._command, *words])
        seen = b""
        with open(terminal, "r+b", buffering=0) as screen, contextlib.suppress(OSError):  # EIO: it has ended
            while b"# " not in seen:
                seen += screen.read(1024)
            screen.write(typed.encode())
            while chunk := screen.read(1024):
                seen += chunk
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(seen.decode(errors="replace").replace("\r\n", "\n").rstrip(), flush=True)
        _require(status == 0, f"exit code {status}")
        _require(expect in seen.decode(errors="replace"), f"expected {expect!r}")

    @contextlib.contextmanager
    def background(self, *words: str):  # type: ignore[no-untyped-def]
        """Run one until the block ends."""
        print(f"\n$ crictl {' '.join(words)} &", flush=True)
        process = subprocess.Popen([*self._command, *words], cwd=self._cwd, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            endpoints.end(process)


def _require(truth: bool, complaint: str) -> None:
    if not truth:
        raise SystemExit(f"scripts/conformance crictl: {complaint}")


def _page(port: int) -> str:
    """What nginx serves, as soon as something listens."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with opener.open(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def walk(session: Session) -> None:
    """From an empty runtime to an empty runtime."""
    session("version", expect="pyrt")
    session("pull", _IMAGE)
    session("images", expect="docker.io/library/nginx")
    sandbox = session("runp", "sandbox.json")
    container = session("create", sandbox, "container.json", "sandbox.json")
    session("start", container)
    session("pods", expect="Ready")
    session("ps", expect="Running")
    session.interactive("exec", "-it", container, "sh", typed="hostname; echo $((6 * 7)); exit\n", expect="42")
    session("exec", "--sync", container, "nginx", "-t")
    port = registry.free_port()
    with session.background("port-forward", sandbox, f"{port}:80"):
        print(f"\n$ curl http://127.0.0.1:{port}/", flush=True)
        page = _page(port)
        print(page.rstrip(), flush=True)
        _require("Welcome to nginx" in page, "expected the page of nginx")
    session("logs", container, expect="GET / HTTP/1.1")
    session("stats", container, expect="nginx")
    session("statsp", sandbox, expect="web")
    session("inspect", "--output", "go-template", "--template", "{{.status.state}} {{.status.image.image}}", container)
    session("stop", container)
    session("rm", container)
    session("stopp", sandbox)
    session("rmp", sandbox)
    session("rmi", _IMAGE)
    _require(not json.loads(session("pods", "-o", "json"))["items"], "expected no sandbox")
    _require(not json.loads(session("ps", "-a", "-o", "json"))["containers"], "expected no container")
    _require(not json.loads(session("images", "-o", "json"))["images"], "expected no image")


def main() -> int:
    """0 if every command did what it is for."""
    argparse.ArgumentParser(prog="scripts/conformance crictl", description="A session with crictl.").parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    crictl = program("cri-tools", "sigs.k8s.io/cri-tools/cmd/crictl")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(endpoints.scratch("crictl"))
        url = stack.enter_context(endpoints.images(directory / "registry", "busybox", "nginx"))
        runtime = stack.enter_context(endpoints.pyrt(directory, url, ("docker.io",), "crictl"))
        (directory / "crictl.yaml").write_text(
            f"runtime-endpoint: {runtime.endpoint}\nimage-endpoint: {runtime.endpoint}\ntimeout: 30\n"
        )
        (directory / "sandbox.json").write_text(json.dumps({**_SANDBOX, "log_directory": f"{directory}/logs"}))
        (directory / "container.json").write_text(json.dumps(_CONTAINER))
        walk(Session(crictl, directory / "crictl.yaml", directory))
    print("\nevery command did what it is for")
    return 0


if __name__ == "__main__":
    sys.exit(main())
