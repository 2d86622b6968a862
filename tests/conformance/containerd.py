#!/usr/bin/env python3
"""A session with crictl on a containerd of its own, whose OCI runtime is ``pyrt-oci``.

Closes with ``N passed, N failed, N skipped``, one for each command.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import endpoints
from crictl import Session
from toolchain import ROOT, program

from rootfs.recipes.critest import MIRRORED

_IMAGE = "registry.k8s.io/e2e-test-images/busybox:1.29-2"
_SANDBOX = {
    "metadata": {"name": "web", "namespace": "default", "uid": "5a1c7e0e-oci", "attempt": 0},
    "hostname": "web",
    "linux": {},
}
_CONTAINER = {
    "metadata": {"name": "app", "attempt": 0},
    "image": {"image": _IMAGE},
    "command": ["sh", "-c", "trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 0.05; done"],
    "log_path": "app.log",
    "linux": {
        "resources": {"memory_limit_in_bytes": 64 << 20},
        "security_context": {"namespace_options": {"pid": 1}},
    },
}
_PATIENCE = 30.0


class Steps:
    """Each with its name, what happened, and the count."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []

    @contextlib.contextmanager
    def step(self, name: str):  # type: ignore[no-untyped-def]
        """One; a complaint ends it and not the session."""
        try:
            yield
        except (SystemExit, AssertionError, subprocess.TimeoutExpired) as error:
            print(f"FAILED {name}: {error}", flush=True)
            self.failed.append(name)
        else:
            self.passed += 1


def walk(session: Session, handler: str, steps: Steps, log: Path) -> None:
    """From an empty runtime to an empty runtime."""
    session("pull", _IMAGE)
    sandbox = session("runp", "sandbox.json")
    with steps.step("runp"):
        assert _field(session, "inspectp", sandbox, "{{.status.state}}") == "SANDBOX_READY"
    container = session("create", sandbox, "container.json", "sandbox.json")
    with steps.step("create"):
        assert _field(session, "inspect", container, "{{.status.state}}") == "CONTAINER_CREATED"
    session("start", container)
    with steps.step("start"):
        assert _field(session, "inspect", container, "{{.status.state}}") == "CONTAINER_RUNNING"
        assert handler in json.dumps(json.loads(session("info"))), "the handler is another"
    with steps.step("logs"):
        deadline = time.monotonic() + _PATIENCE
        while "hello" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        session("logs", container, expect="hello")
    with steps.step("exec"):
        session("exec", container, "sh", "-c", "echo $((6 * 7)); hostname", expect="42\nweb")
    with steps.step("exec --sync"):
        session("exec", "--sync", container, "cat", "/proc/1/comm", expect="sh")
    with steps.step("exec -it"):
        session.interactive("exec", "-it", container, "sh", typed="tty; echo $((6 * 7)); exit\n", expect="/dev/pts/0")
    with steps.step("exec that fails"):
        _fails(session, "exec", "--sync", container, "sh", "-c", "exit 5", expect="5")
    with steps.step("exec of nothing"):
        _fails(session, "exec", "--sync", container, "/nonexistent", expect="no such file or directory")
    with steps.step("stats"):
        session("stats", container, expect="app")
    with steps.step("update"):
        session("update", "--memory", str(32 << 20), container)
        session("exec", "--sync", container, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes", expect=str(32 << 20))
    with steps.step("stop"):
        session("stop", "--timeout", "20", container)
        assert _field(session, "inspect", container, "{{.status.exitCode}}") == "3"
        session("logs", container, expect="bye")
    with steps.step("rm"):
        session("rm", container)
    for command in ("stopp", "rmp"):
        with steps.step(command):
            session(command, sandbox)
    with steps.step("nothing is left"):
        assert not json.loads(session("pods", "-o", "json"))["items"]
        assert not json.loads(session("ps", "-a", "-o", "json"))["containers"]


def _field(session: Session, command: str, id_: str, template: str) -> str:
    return session(command, "--output", "go-template", "--template", template, id_)


def _fails(session: Session, *words: str, expect: str) -> None:
    done = session.run(*words)
    assert done.returncode != 0, "it did not fail"
    assert expect in done.stdout + done.stderr, f"expected {expect!r}"


def main() -> int:
    """0 if every command did what it is for."""
    parser = argparse.ArgumentParser(prog="scripts/conformance containerd", description="pyrt-oci under containerd.")
    parser.add_argument("--handler", default=str(ROOT / ".venv/bin/pyrt-oci"), help="the OCI runtime to test")
    handler = parser.parse_args().handler
    handler = shutil.which(handler) or handler
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    crictl = program("cri-tools", "sigs.k8s.io/cri-tools/cmd/crictl")
    steps = Steps()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(endpoints.scratch("containerd"))
        url = stack.enter_context(endpoints.images(directory / "registry", "critest"))
        runtime = stack.enter_context(endpoints.containerd(directory, url, MIRRORED, handler))
        reports = ROOT / "build/reports"
        reports.mkdir(parents=True, exist_ok=True)
        stack.callback(shutil.copy, runtime.log, reports / "containerd.log")
        (directory / "crictl.yaml").write_text(
            f"runtime-endpoint: {runtime.endpoint}\nimage-endpoint: {runtime.endpoint}\ntimeout: 30\n"
        )
        (directory / "sandbox.json").write_text(json.dumps({**_SANDBOX, "log_directory": f"{directory}/logs"}))
        (directory / "container.json").write_text(json.dumps(_CONTAINER))
        os.makedirs(directory / "logs", exist_ok=True)
        with steps.step("session"):
            walk(Session(crictl, directory / "crictl.yaml", directory), handler, steps, directory / "logs/app.log")
    print(f"{steps.passed} passed, {len(steps.failed)} failed, 0 skipped")
    return int(bool(steps.failed))


if __name__ == "__main__":
    sys.exit(main())
