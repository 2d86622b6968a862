"""A runtime of its own for each test, and a base pod to edit. What a test leaves behind fails it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pyrt.config import Config
from pyrt.ids import ContainerId, Digest, ImageId, SandboxId
from pyrt.images.types import Image, ImageConfig
from pyrt.runtime import Runtime
from pyrt.runtime.config import ContainerConfig, PodMetadata, SandboxConfig
from pyrt.runtime.status import ContainerStatus
from pyrt.store import Store


async def until(condition: Callable[[], bool], *, fails: bool = True) -> None:
    """Look again and again, for a minute at most: for what happens without an event that a test could wait for."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            assert not fails, "it did not happen in a minute"
            return
        await asyncio.sleep(0.01)


class Host:
    """One instance of pyrt, and what the tests say about it."""

    def __init__(self, config: Config, root: Path) -> None:
        self.config = config
        self.root = root
        self._names = itertools.count()
        self.open()

    def open(self) -> None:
        """A daemon begins."""
        self.store = Store(self.config.paths.root)
        self.runtime = Runtime(self.config, self.store)

    async def restart(self) -> None:
        """The daemon is killed (nothing is written any more, nobody is told), and the next one takes over."""
        await self.runtime.close()
        self.store.close()
        self.open()
        await self.runtime.recover()

    def image(self, *layers: Path, **edit: Any) -> Image:
        return Image(
            id=ImageId("sha256:0"),
            manifest_digest=Digest("sha256:1"),
            repo_tags=(),
            repo_digests=(),
            size=0,
            config=ImageConfig(**edit),
            layers=(self.root, *layers),
        )

    def sandbox(self, **edit: Any) -> SandboxConfig:
        number = next(self._names)
        base = SandboxConfig(
            metadata=PodMetadata(f"pod{number}", "default", f"uid{number}"),
            hostname=f"pod{number}",
            log_directory=self.config.paths.logs / f"default_pod{number}_uid{number}",
            hosts="127.0.0.1\tlocalhost\n",
            cgroup_parent=f"burstable/poduid{number}",
        )
        return dataclasses.replace(base, **edit)

    def container(self, *command: str, **edit: Any) -> ContainerConfig:
        name = edit.pop("name", "app")
        base = ContainerConfig(
            name=name, attempt=0, image=self.image(), image_ref="test", log_path=Path(f"{name}/0.log"), command=command
        )
        return dataclasses.replace(base, **edit)

    async def start(self, sandbox_id: SandboxId, *command: str, **edit: Any) -> ContainerId:
        """A container that runs."""
        container_id = await self.runtime.create_container(sandbox_id, self.container(*command, **edit))
        await self.runtime.start_container(container_id)
        return container_id

    async def run(
        self, *command: str, sandbox: dict[str, Any] | None = None, **edit: Any
    ) -> tuple[ContainerStatus, str]:
        """A pod of one container, to its end: how it ended and what it printed."""
        _, container_id = await self.runtime.run_pod(self.sandbox(**sandbox or {}), self.container(*command, **edit))
        status = await self.runtime.wait_container(container_id)
        return status, self.output(container_id)

    async def prints(self, *command: str, sandbox: dict[str, Any] | None = None, **edit: Any) -> str:
        """What a pod of one container prints, which must end well."""
        status, output = await self.run(*command, sandbox=sandbox, **edit)
        assert (status.exit_code, status.reason) == (0, "Completed"), output
        return output

    def log_file(self, container_id: ContainerId) -> Path:
        status = self.runtime.container_status(container_id)
        return self.runtime.sandbox_status(status.sandbox_id).config.log_directory / status.config.log_path

    def output(self, container_id: ContainerId) -> str:
        """The container's log without times and streams."""
        lines = self.log_file(container_id).read_text().splitlines()
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    async def output_of(self, container_id: ContainerId, *, lines: int) -> str:
        """The same of a container that runs, when it has printed so many lines."""
        log = self.log_file(container_id)
        await until(lambda: log.exists() and log.read_text().count("\n") >= lines)
        return self.output(container_id)

    async def inside(self, container_id: ContainerId, *command: str) -> str:
        """What a command prints in a running container; it must end well."""
        result = await self.runtime.exec_sync(container_id, command)
        assert result.exit_code == 0, result
        return result.stdout.decode().strip()

    def cgroup_directories(self, path: str) -> list[Path]:
        return [Path(directory) for directory in self.runtime._core.cgroups.directories(path)]

    def leftovers(self) -> list[str]:
        """Whatever of this instance is still there, outside its own directory."""
        found = [
            str(entry)
            for name in ("pods",)
            if (self.config.paths.run / name).exists()
            for entry in (self.config.paths.run / name).iterdir()
        ]
        for name in ("containers", "trash"):
            found += [str(entry) for entry in (self.config.paths.root / name).iterdir()]
        for qos in ("burstable", "besteffort"):
            for directory in self.cgroup_directories(qos):
                found += [str(entry) for entry in directory.iterdir() if entry.is_dir()]
        prefix = self.config.network.interface_prefix
        found += [name for name in os.listdir("/sys/class/net") if name.startswith(prefix)]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if line.startswith(b"pyrt-pod") and bytes(self.config.paths.run / "pods") in line:
                found.append(line.decode())
        return found

    async def cleanup(self) -> list[str]:
        """End everything; what is left when the kernel has had time to finish."""
        for sandbox in self.runtime.list_sandboxes():
            await self.runtime.remove_sandbox(sandbox.id)
        await self.runtime.drained()
        # The kernel takes network namespaces apart in its own time, without an event.
        await until(lambda: not self.leftovers(), fails=False)
        left = self.leftovers()
        core = self.runtime._core
        parents = [*self.cgroup_directories("")]
        unified = core.cgroups.hierarchies.unified
        if unified is not None:
            parents.append(Path(unified, self.config.cgroup.parent))
        await self.runtime.close()
        core.network.uninstall()
        self.store.close()
        for parent in parents:
            for directory in (parent / "burstable", parent / "besteffort", parent):
                if directory.is_dir():
                    directory.rmdir()
        return left


@pytest.fixture
async def host(instance: Config, busybox_root: Path) -> AsyncIterator[Host]:
    """A runtime that has begun; at the end nothing of it may be left."""
    host = Host(instance, busybox_root)
    await host.runtime.recover()
    yield host
    assert await host.cleanup() == []
