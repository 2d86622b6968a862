#!/usr/bin/env python3
"""Debian's podman with ``pyrt-oci``: run, exec, stop, kube play, in a storage of its own, without the network.

Closes with ``N passed, N failed, N skipped``, one for each step. Nothing is left, of podman's own state neither.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import endpoints
from toolchain import ROOT

from rootfs import build

_REF = "org.opencontainers.image.ref.name"
_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: conformance}
spec:
  hostNetwork: true
  containers:
  - {name: a, image: IMAGE, command: [sh, -c, "echo from-a; exec sleep 1000"]}
  - {name: b, image: IMAGE, command: [sleep, "1000"]}
"""


class Podman:
    """The command, with places of its own."""

    def __init__(self, directory: Path, runtime: str) -> None:
        self.words = [
            *("podman", "--root", f"{directory}/root", "--runroot", f"{directory}/run", "--tmpdir", f"{directory}/tmp"),
            *("--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
            *("--runtime", runtime, "--log-level", "error"),
        ]

    def __call__(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.words, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )

    def typed(self, text: str, *words: str) -> str:
        """At a terminal; what was on it."""
        child, terminal = pty.fork()
        if child == 0:
            os.execvp(self.words[0], [*self.words, *words])
        seen = b""
        with open(terminal, "r+b", buffering=0) as screen, contextlib.suppress(OSError):  # EIO: it has ended
            while b"# " not in seen:
                seen += screen.read(1024)
            screen.write(text.encode())
            while chunk := screen.read(1024):
                seen += chunk
        os.waitpid(child, 0)
        return seen.decode(errors="replace")


class Steps:
    """What was tried, and how it ended."""

    def __init__(self, podman: Podman) -> None:
        self._podman = podman
        self.passed = 0
        self.failed = 0

    def __call__(self, *words: str, code: int = 0, says: str = "") -> str:
        """A command that ends with ``code`` and has ``says`` in what it says."""
        try:
            done = self._podman(*words)
        except subprocess.TimeoutExpired:
            self.count(f"podman {' '.join(words)}", "it did not end")
            return ""
        said = done.stdout + done.stderr
        wrong = "" if done.returncode == code and says in said else f"exit code {done.returncode}: {said[-1500:]}"
        self.count(f"podman {' '.join(words)}", wrong)
        return done.stdout.strip()

    def count(self, name: str, wrong: str) -> None:
        """One more."""
        self.passed += not wrong
        self.failed += bool(wrong)
        print(f"{'FAILED' if wrong else 'ok    '} {name}{': ' + wrong if wrong else ''}", flush=True)


def walk(steps: Steps, podman: Podman, image: str, manifest: Path) -> None:
    """From no container to no container."""
    options = ("--network", "none", "--cgroups", "enabled")
    steps("run", "--rm", *options, image, "echo", "hello", says="hello")
    steps("run", "--rm", *options, image, "sh", "-c", "exit 7", code=7)
    steps("run", "--rm", *options, image, "/nonexistent", code=127)
    steps("run", "--rm", *options, image, "/etc", code=126)
    steps("run", "--rm", "--network", "host", image, "ls", "/sys/class/net", says="lo")
    steps("run", "--rm", *options, "--user", "5:6", "--read-only", image, "id", says="uid=5 gid=6")
    steps("run", "--rm", *options, "--memory", "64m", "--pids-limit", "50", image, "true")
    steps("run", "--rm", *options, "--privileged", image, "true")
    steps("run", "--rm", *options, "--init", image, "true")
    seen = podman.typed("tty; exit 3\n", "run", "--rm", "-it", *options, image, "sh")
    steps.count("podman run -it", "" if "/dev/pts/0" in seen else seen)
    steps("run", "-d", "--name", "c", *options, image, "sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.05; done")
    steps("ps", "--format", "{{.Names}} {{.State}}", says="c Up")
    steps("exec", "c", "sh", "-c", "echo in; echo $A; exit 0", says="in")
    steps("exec", "--env", "A=b", "--workdir", "/bin", "--user", "5", "c", "sh", "-c", "echo $A; pwd", says="b\n/bin")
    steps("exec", "c", "sh", "-c", "exit 9", code=9)
    steps("exec", "c", "/nonexistent", code=127)
    steps("exec", "-d", "c", "touch", "/from-exec")
    seen = podman.typed("tty; exit\n", "exec", "-it", "c", "sh")
    steps.count("podman exec -it", "" if "/dev/pts/0" in seen else seen)
    steps("exec", "--privileged", "c", "true")
    steps("pause", "c")
    steps("unpause", "c")
    steps("top", "c", says="sh")
    steps("stats", "--no-stream", "--format", "{{.Name}}", "c", says="c")
    steps("stop", "--time", "20", "c")
    steps("inspect", "--format", "{{.State.ExitCode}}", "c", says="4")
    steps("start", "c")
    steps("kill", "c")
    steps("wait", "c", says="137")
    steps("rm", "c")
    steps("kube", "play", "--network", "host", str(manifest), says="Pod:")
    steps("exec", "conformance-b", "echo", "hello", says="hello")
    steps("logs", "conformance-a", says="from-a")
    steps("pod", "ps", "--format", "{{.Name}} {{.Status}}", says="conformance Running")
    steps("kube", "down", str(manifest))
    left = json.loads(steps("ps", "-a", "--format", "json") or "[]")
    steps.count("nothing is left", "" if not left else str(left))


def _load(podman: Podman, steps: Steps, directory: Path) -> str:
    """The image's id, in podman's storage; "" if it did not get there."""
    layout = build.cached(("busybox",))
    names = [entry["annotations"][_REF] for entry in json.loads((layout / "index.json").read_text())["manifests"]]
    archive = directory / "busybox.tar"
    subprocess.run(
        [
            "skopeo",
            "copy",
            "--insecure-policy",
            "-q",
            f"oci:{layout}:{names[0]}",
            f"docker-archive:{archive}:busybox:1",
        ],
        check=True,
    )
    steps("load", "-q", "-i", str(archive), says="busybox")
    return podman("images", "-q", "--no-trunc").stdout.strip().removeprefix("sha256:")


def main() -> int:
    """0 if every step went well."""
    parser = argparse.ArgumentParser(prog="scripts/conformance podman", description="podman with pyrt-oci")
    parser.add_argument("--runtime", default=str(ROOT / ".venv/bin/pyrt-oci"), help="the OCI runtime to test")
    runtime = parser.parse_args().runtime
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with endpoints.scratch("podman") as directory:
        podman = Podman(directory, shutil.which(runtime) or runtime)
        steps = Steps(podman)
        # podman wants to raise limits, which takes CAP_SYS_RESOURCE: a container that tests run in may not have it.
        os.environ["CONTAINERS_CONF"] = str(directory / "containers.conf")
        limits = "[containers]\ndefault_ulimits = ['nofile=4096:4096', 'nproc=4096:4096']\n"
        (directory / "containers.conf").write_text(limits)
        try:
            image = _load(podman, steps, directory)
            (directory / "pod.yaml").write_text(_POD.replace("IMAGE", image))
            if image:
                walk(steps, podman, image, directory / "pod.yaml")
        finally:
            podman("pod", "rm", "--all", "--force", "--time", "0")
            podman("rm", "--all", "--force", "--time", "0")
    print(f"{steps.passed} passed, {steps.failed} failed, 0 skipped")
    return int(bool(steps.failed))


if __name__ == "__main__":
    sys.exit(main())
