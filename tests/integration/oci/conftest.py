"""Bundles of busybox, and ``pyrt-oci`` with a state directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


class Runtime:
    """The program, as a container engine calls it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "state"
        self.prefix = f"pyrt-oci-{uuid.uuid4().hex[:8]}"
        self.ids: list[str] = []
        rootfs = base / "bundle" / "rootfs"
        (rootfs / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", rootfs / "bin" / "busybox")
        for name in ("sh", "true", "cat", "ls", "sleep", "id", "readlink", "grep", "kill", "mkdir", "hostname"):
            (rootfs / "bin" / name).symlink_to("busybox")
        self.rootfs = rootfs
        self("spec", "--bundle", str(base / "bundle"))
        self.config = json.loads((base / "bundle" / "config.json").read_text())
        self.config["process"]["terminal"] = False
        self.config["root"]["readonly"] = False

    def program(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pyrt.oci.main", "--root", str(self.root), *words]

    def __call__(self, *words: str, fails: int | None = 0, **options) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.program(*words),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            **options,
        )
        if fails is not None:
            assert done.returncode == fails, done.stderr
        return done

    def id(self, name: str) -> str:
        found = f"{self.prefix}-{name}"
        if found not in self.ids:
            self.ids.append(found)
        return found

    def bundle(self, *args: str) -> list[str]:
        if args:
            self.config["process"]["args"] = list(args)
        (self.base / "bundle" / "config.json").write_text(json.dumps(self.config))
        return ["--bundle", str(self.base / "bundle")]

    def run(self, *args: str, fails: int | None = 0, **options) -> subprocess.CompletedProcess[str]:
        return self("run", *self.bundle(*args), self.id("run"), fails=fails, **options)

    def sh(self, script: str, fails: int | None = 0) -> str:
        return self.run("/bin/sh", "-c", script, fails=fails).stdout.strip()

    def create(self, name: str, *args: str) -> str:
        # Not captured: the container's process keeps the streams, and a pipe would not end.
        with (self.base / f"{name}.out").open("w") as out:
            subprocess.run(
                self.program("create", *self.bundle(*args), self.id(name)),
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=True,
                timeout=60,
            )
        return self.id(name)

    def state(self, id_: str) -> dict:
        return json.loads(self("state", id_).stdout)


@pytest.fixture
def runtime(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    tmp_path.chmod(0o755)
    found = Runtime(tmp_path)
    yield found
    for id_ in found.ids:
        found("delete", "--force", id_)
    assert os.listdir(found.root) == [] if found.root.exists() else True
