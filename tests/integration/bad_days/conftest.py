"""Bad days as a user sees them: the real daemon, the real command line, and proof that nothing half-made stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyrt.config import Config, for_instance
from pyrt.network import Network
from pyrt.store import Store
from rootfs.layer import Layer
from rootfs.layout import Image, Layout
from tests.integration.daemon.conftest import IMAGE, PATIENCE, PODS, Daemon, finish, make_pod

from .badregistry import SERVED

ROOT = Path(__file__).parents[3]
FOREVER = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
HOSTILE = "hostile:1"
HOSTILE_TARGETS = {"escape": "/var/tmp/pyrt-escape", "upward": "../../../../../../var/tmp/pyrt-escape"}
"""Symbolic links in the hostile image, to a directory that must never come to be on the host."""


@dataclass(frozen=True)
class Said:
    """What a command of ``pyrt`` printed, and its exit code."""

    code: int
    out: str
    err: str


class Instance(Daemon):
    """A daemon, its command line, and what a user would look at."""

    def pyrt(self, *words: str, stdin: str | bytes = "") -> Said:
        """Run ``pyrt`` against this daemon."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        command = [sys.executable, "-m", "pyrt.cli", "--config", str(self.file), *words]
        done = subprocess.run(command, input=data, capture_output=True, cwd=ROOT, timeout=PATIENCE * 2, check=False)
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def waiting(self, name: str, *reasons: str) -> dict[str, str]:
        """Wait until the first container waits for one of the reasons; its state."""

        def look() -> dict[str, str] | None:
            found = self.container(name).get("state", {}).get("waiting", {})
            return found if found.get("reason") in reasons else None

        return self.until(look)

    def waits_with(self, name: str, words: str) -> dict[str, str]:
        """Wait until the first container waits with a message that holds ``words``."""

        def look() -> dict[str, str] | None:
            found = self.container(name).get("state", {}).get("waiting", {})
            return found if words in found.get("message", "") else None

        return self.until(look)

    def terminated(self, name: str) -> dict[str, Any]:
        """Wait until the pod has failed; how its first container ended."""
        return self.phase(name, "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]

    def container(self, name: str) -> dict[str, Any]:
        """The first container's status, as it is now."""
        pod = self.get(name)
        statuses = pod["status"].get("containerStatuses", []) if pod is not None else []
        return statuses[0] if statuses else {}

    def told(self, name: str, reason: str, words: str) -> str:
        """Wait for an event with this reason and these words; its message."""
        find = lambda: [e["message"] for e in self.events(name) if e["reason"] == reason and words in e["message"]]  # noqa: E731
        return self.until(find)[0]

    def row(self, name: str) -> list[str]:
        """The pod's line in ``pyrt get pods``: NAME READY STATUS RESTARTS AGE."""
        said = self.pyrt("get", "pod", name, "--no-headers")
        assert said.code == 0, said.err
        return said.out.split()


@contextlib.contextmanager
def running(layout: Path, name: str, change: Callable[[Config], Config] = lambda config: config) -> Iterator[Instance]:
    """A daemon of its own, with the images of ``layout``; its end proves that nothing is left."""
    with prepared(name, change) as instance:
        instance.start()
        instance.call("POST", f"/apis/pyrt.dev/v1/images/import?path={layout}")
        for name in SERVED:
            instance.pyrt("image", "rm", f"bad.example/{name}:1")
        try:
            yield instance
        finally:
            finish(instance)


@contextlib.contextmanager
def prepared(name: str, change: Callable[[Config], Config] = lambda config: config) -> Iterator[Instance]:
    """The same, not started; whoever starts it stops it. Whatever happened, nothing of it stays on the machine."""
    directory = Path(tempfile.mkdtemp(prefix="pyrt-b-", dir="/var/tmp"))
    directory.chmod(0o755)
    instance = Instance(directory, change(for_instance(directory, name)))
    try:
        yield instance
    finally:
        clear_away(instance)
        subprocess.run(["rm", "-rf", "--one-file-system", str(directory)], check=True)


def clear_away(instance: Instance) -> None:
    """The daemon if a failed test left it, its pods' processes, its cgroups, and what stays for its next start."""
    if instance.process is not None and instance.process.poll() is None:
        instance.kill()
    for pid in instance.pod_processes():
        os.kill(pid, signal.SIGKILL)
    # At the top of every hierarchy of v1, or of the one of v2; deeper lie others' cgroups, which come and go.
    tops = Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")
    for parent in [
        top / instance.config.cgroup.parent for top in tops if (top / instance.config.cgroup.parent).is_dir()
    ]:
        instance.until(lambda parent=parent: _removed(parent))
    # The instance's own database may be on a disk that is full or gone; of the network it knows no more than its pods.
    with tempfile.TemporaryDirectory() as directory, Store(Path(directory)) as store:
        Network(instance.config, store).uninstall()


def _removed(cgroup: Path) -> bool:
    """Whether a cgroup is gone with all below it; processes that have been killed may still be in it for a moment."""
    try:
        for directory, _, _ in list(os.walk(cgroup, topdown=False)):
            os.rmdir(directory)
    except OSError:
        return not cgroup.exists()
    return True


def forget_pods(instance: Instance) -> None:
    """Delete every pod, and wait until nothing of them is left."""
    for pod in instance.call("GET", PODS)["items"]:
        instance.delete(pod["metadata"]["name"], 0)
    instance.until(lambda: not instance.leftovers() and not instance.pod_processes())


@pytest.fixture(scope="session")
def layout(busybox_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images: an ordinary one, some that are wrong in one way each, and those of the bad registry."""
    made = Layout(tmp_path_factory.mktemp("images"), "amd64")
    base = Layer().tree(busybox_root)
    config: dict[str, object] = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}
    hostile = Layer()
    for name, target in HOSTILE_TARGETS.items():
        hostile.symlink(name, target)
    hostile.symlink("proclink", "/proc/self/root/var/tmp/pyrt-escape")
    hostile.file("file", "a file\n")
    made.name(made.image(Image([base], config, "gzip-fast")), f"docker.io/library/{IMAGE}")
    made.name(made.image(Image([base], {**config, "User": "ghost"}, "gzip-fast")), "docker.io/library/ghost:1")
    made.name(made.image(Image([base], {**config, "User": "app"}, "gzip-fast")), "docker.io/library/named:1")
    made.name(made.image(Image([base], {"Env": ["PATH=/bin"]}, "gzip-fast")), "docker.io/library/nocommand:1")
    made.name(made.image(Image([base, hostile], config, "gzip-fast")), f"docker.io/library/{HOSTILE}")
    for name in SERVED:  # each with a layer that no other image has
        layer = Layer().tree(busybox_root).file("mark", name)
        made.name(made.image(Image([layer], config, "gzip-fast")), f"bad.example/{name}:1")
    made.close()
    return made.root


@pytest.fixture(scope="module")
def shared(layout: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """A daemon for the tests of one file."""
    change: Callable[[Config], Config] = getattr(request.module, "configure", lambda config: config)
    with running(layout, "bad", change) as instance:
        yield instance


@pytest.fixture
def daemon(shared: Instance) -> Iterator[Instance]:
    """The file's daemon, without pods, and without anything left of them, at the end of each test."""
    yield shared
    forget_pods(shared)


@pytest.fixture
def pod() -> Callable[..., dict[str, Any]]:
    """A pod that runs one shell command, never restarted unless the test says so."""
    return make_pod
