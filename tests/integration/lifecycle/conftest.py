"""The whole life of a pod, as its user sees it: one real daemon for all scenarios, the real command line.

A test asks for ``daemon`` and ``name``, applies a manifest that ``pod`` made, waits for what must become of it, and
looks. Its pods are deleted behind it, and nothing of them may be left. One that kills or configures its daemon asks for
``own_daemon`` or uses :func:`running`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyrt.config import Config, for_instance
from tests.integration.daemon.conftest import (
    IMAGE,
    PATIENCE,
    PODS,
    Daemon,
    finish,
    layout,  # noqa: F401 - a fixture
    make_pod,
)

Manifest = dict[str, Any]
ROOT = Path(__file__).parents[3]
FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
"""A shell script that runs until it is asked to end, and then ends well."""

__all__ = ["FOREVER", "IMAGE", "PATIENCE", "PODS", "Instance", "Said", "container", "running"]


@dataclass(frozen=True)
class Said:
    """What a command of ``pyrt`` printed, and its exit code."""

    code: int
    out: str
    err: str


class Instance(Daemon):
    """A daemon, its command line, and what a user would look at."""

    def pyrt(self, *words: str, stdin: str = "", check: bool = True) -> Said:
        """Run ``pyrt`` against this daemon; it must succeed unless the test looks itself (``check=False``)."""
        command = [sys.executable, "-m", "pyrt.cli", "--config", str(self.file), *words]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE * 2, check=False
        )
        assert not check or done.returncode == 0, f"pyrt {' '.join(words)}: {done.stdout}{done.stderr}"
        return Said(done.returncode, done.stdout, done.stderr)

    def apply(self, *manifests: Manifest, check: bool = True) -> Said:
        """``pyrt apply`` of some objects."""
        return self.pyrt("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, manifests)), check=check)

    def wait(self, what: str, for_: str) -> None:
        """``pyrt wait``, for instance ``wait("pod/web", "condition=Ready")``."""
        self.pyrt("wait", what, f"--for={for_}", f"--timeout={PATIENCE}s")

    def wait_for(self, name: str, condition: Callable[[Manifest], object]) -> Manifest:
        """Wait until a pod satisfies a predicate; the pod."""

        def look() -> Manifest | None:
            pod = self.get(name)
            return pod if pod is not None and condition(pod) else None

        found: Manifest = self.until(look)
        return found

    def state(self, name: str, container_name: str, kind: str, reason: str | None = None) -> Manifest:
        """Wait until a container is ``waiting``, ``running`` or ``terminated`` (with a reason); its status."""

        def look(pod: Manifest) -> bool:
            found = (container(pod, container_name) or {}).get("state", {})
            return kind in found and (reason is None or found[kind].get("reason") == reason)

        status = container(self.wait_for(name, look), container_name)
        assert status is not None
        return status

    def restarted(self, name: str, container_name: str, count: int) -> Manifest:
        """Wait until a container runs with at least this restartCount; its status."""

        def look(pod: Manifest) -> bool:
            found = container(pod, container_name) or {}
            return found.get("restartCount", 0) >= count and "running" in found["state"]

        status = container(self.wait_for(name, look), container_name)
        assert status is not None
        return status

    def condition(self, name: str, kind: str, status: str) -> Manifest:
        """Wait until a condition of a pod has this status; the condition."""

        def find(pod: Manifest) -> list[Manifest]:
            conditions = pod["status"].get("conditions", [])
            return [c for c in conditions if c["type"] == kind and c["status"] == status]

        return find(self.wait_for(name, find))[0]

    def told(self, name: str, reason: str, words: str = "") -> Manifest:
        """Wait for an event of a pod with this reason and these words in its message; the event."""

        def find() -> list[Manifest]:
            return [e for e in self.events(name) if e["reason"] == reason and words in e["message"]]

        found: list[Manifest] = self.until(find)
        return found[0]

    def row(self, name: str, kind: str = "pod") -> list[str]:
        """The object's line in ``pyrt get``, in words: of a pod NAME READY STATUS RESTARTS... AGE."""
        return self.pyrt("get", kind, name, "--no-headers").out.split()

    def remains(self, uid: str) -> list[str]:
        """Lines of :meth:`leftovers` that name one pod."""
        return [line for line in self.leftovers() if uid in line]


def container(pod: Manifest, name: str) -> Manifest | None:
    """The status of one container, of whichever kind."""
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    statuses = itertools.chain.from_iterable(pod["status"].get(kind, ()) for kind in kinds)
    return next((status for status in statuses if status["name"] == name), None)


@contextlib.contextmanager
def running(
    images: Path, name: str = "life", change: Callable[[Config], Config] = lambda config: config
) -> Iterator[Instance]:
    """A daemon of its own with the image of ``layout``; its end proves that nothing is left."""
    base = "/tmp" if os.environ.get("PYRT_TEST_VM") else "/var/tmp"
    directory = Path(tempfile.mkdtemp(prefix="pyrt-l-", dir=base))
    directory.chmod(0o755)
    instance = Instance(directory, change(for_instance(directory, f"{name}-{secrets.token_hex(3)}")))
    try:
        instance.start()
        instance.call("POST", f"/apis/pyrt.dev/v1/images/import?path={images}")
        yield instance
    finally:
        finish(instance)


@pytest.fixture(scope="session")
def everyones(layout: Path) -> Iterator[Instance]:  # noqa: F811
    """The daemon that the scenarios share."""
    with running(layout) as instance:
        yield instance


@pytest.fixture
def daemon(everyones: Instance) -> Iterator[Instance]:
    """The shared daemon, without pods at the end of the test."""
    yield everyones
    forget_pods(everyones)


@pytest.fixture
def own_daemon(layout: Path) -> Iterator[Instance]:  # noqa: F811
    """A daemon for one test, which may kill it."""
    with running(layout, "own") as instance:
        yield instance


def forget_pods(instance: Instance) -> None:
    """Delete every pod, and prove that they are gone with all they had on the machine."""
    for pod in instance.call("GET", PODS)["items"]:
        instance.delete(pod["metadata"]["name"], 0)
    instance.until(lambda: not instance.leftovers() and not instance.pod_processes())


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for the test's pod that no other has."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    return f"{words[:40].strip('-')}-{secrets.token_hex(2)}"


@pytest.fixture
def pod(name: str) -> Callable[..., Manifest]:
    """Makes the test's pod: ``pod(script, container={...}, initContainers=[...])``; restartPolicy is Never unless said,
    the grace 5 seconds.
    """

    def make(*command: str, **spec: Any) -> Manifest:
        made: Manifest = make_pod(name, *(command or (FOREVER,)), **spec)
        return made

    return make


@pytest.fixture
def shell() -> Callable[..., Manifest]:
    """Makes one more container: ``shell("helper", script, restartPolicy="Always")``."""

    def make(name: str, script: str = FOREVER, **fields: Any) -> Manifest:
        return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **fields}

    return make
