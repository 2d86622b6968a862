"""``pyrt.dev/v1`` system: what this instance is, what it uses, and what can be given back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

import pyrt
from pyrt.api.call import Answer, Call, answer
from pyrt.api.errors import success
from pyrt.api.images import API_VERSION, decode
from pyrt.config import Config
from pyrt.controllers.static import StaticPodController
from pyrt.images.service import ImageService
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime import Runtime
from pyrt.runtime.config import Owner
from pyrt.runtime.status import ContainerState
from pyrt.store import Store

_DONE: Final = ("Succeeded", "Failed")


class PruneRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST system/prune``."""

    images: bool = True
    pods: bool = False
    all: bool = False
    """Every unused image, not only those without a name."""


class System:
    """Answers for the system."""

    def __init__(
        self,
        config: Config,
        store: Store,
        runtime: Runtime,
        images: ImageService,
        supervisor: Supervisor,
        started_at: str,
        static: StaticPodController | None,
    ) -> None:
        self._config = config
        self._store = store
        self._runtime = runtime
        self._images = images
        self._supervisor = supervisor
        self._started_at = started_at
        self._static = static

    def info(self, call: Call) -> Answer:
        """``GET system/info``."""
        machine = os.uname()
        containers = self._runtime.list_containers(owner=Owner.API)
        config = self._config
        faults = self._static.faults if self._static is not None else {}
        return answer(
            {
                "kind": "SystemInfo",
                "apiVersion": API_VERSION,
                "version": pyrt.__version__,
                "startedAt": self._started_at,
                "pid": os.getpid(),
                "node": self._supervisor.facts.name,
                "addresses": self._supervisor.facts.addresses,
                "kernel": machine.release,
                "architecture": machine.machine,
                "cpus": os.cpu_count(),
                "memory": self._supervisor.facts.memory_capacity,
                "cgroup": {
                    "version": _cgroup_version(),
                    "driver": config.cgroup.driver,
                    "parent": config.cgroup.parent,
                },
                "network": {
                    "ipv4": config.network.ipv4_cidr,
                    "ipv6": config.network.ipv6_cidr,
                    "nftTable": config.network.nft_table,
                },
                "paths": {
                    "root": str(config.paths.root),
                    "run": str(config.paths.run),
                    "logs": str(config.paths.logs),
                    "socket": str(config.api_socket),
                },
                "pods": len(self._supervisor.pods()),
                "staticPods": {
                    "directory": str(config.paths.manifests),
                    "url": config.static_pods.url,
                    "faults": [{"source": origin, "message": text} for origin, text in faults.items()],
                },
                "containers": {
                    "total": len(containers),
                    "running": sum(status.state is ContainerState.RUNNING for status in containers),
                },
                "images": len(self._images.list()),
                "resourceVersion": str(self._store.resource_version),
            }
        )

    def end_static_pods(self, call: Call) -> Answer:
        """``POST system/end-static-pods``: for ``system reset``. They come back with the next daemon."""
        if self._static is not None:
            self._static.end_all()
        return answer(success())

    async def end_kubelets_pods(self, call: Call) -> Answer:
        """``POST system/end-kubelets-pods``: for ``system reset``, which leaves nothing of either world."""
        sandboxes = self._runtime.list_sandboxes(Owner.CRI)
        for sandbox in sandboxes:
            await self._runtime.remove_sandbox(sandbox.id)
        await self._runtime.drained()
        return answer({"kind": "SandboxesEnded", "apiVersion": API_VERSION, "ended": len(sandboxes)})

    async def df(self, call: Call) -> Answer:
        """``GET system/df``."""
        pods = self._supervisor.pods()
        active = [pod for pod in pods if pod.status.phase not in _DONE]
        usage = await self._images.usage()
        used = self._supervisor.images_in_use()
        facts = self._supervisor.facts
        volumes = [facts.pods / pod.metadata.uid / "volumes" for pod in pods]
        containers = self._runtime.list_containers(owner=Owner.API)
        sizes = await asyncio.to_thread(_sizes, (volumes, [facts.logs]))
        writable = 0
        for status in containers:
            if status.state is ContainerState.RUNNING:
                writable += (await self._runtime.container_stats(status.id)).writable_bytes
        running = sum(status.state is ContainerState.RUNNING for status in containers)
        items = [
            _item("images", usage.images, len(used), usage.bytes, usage.reclaimable),
            _item("containers", len(containers), running, writable, 0),
            _item(
                "volumes",
                sum(len(pod.spec.volumes) for pod in pods),
                sum(len(pod.spec.volumes) for pod in active),
                sizes[0],
                0,
            ),
            _item("logs", len(pods), len(active), sizes[1], 0),
        ]
        return answer({"kind": "DiskUsage", "apiVersion": API_VERSION, "items": items})

    async def prune(self, call: Call) -> Answer:
        """``POST system/prune``: finished pods if asked for, then images that nothing uses."""
        body = decode(call.body or b"{}", PruneRequest)
        removed = []
        if body.pods:
            for item in self._store.objects.list("Pod")[0]:
                pod = self._supervisor.find(item.namespace, item.name)
                if pod is not None and pod.status.phase in _DONE:
                    self._supervisor.delete(item, 0)
                    removed.append(f"{item.namespace}/{item.name}")
            await self._supervisor.settled()
        images: tuple[str, ...] = ()
        reclaimed = 0
        if body.images:
            removal = await self._images.prune(all_unused=body.all)
            images, reclaimed = removal.deleted, removal.reclaimed
        return answer(
            {
                "kind": "SystemPrune",
                "apiVersion": API_VERSION,
                "pods": removed,
                "images": images,
                "reclaimed": reclaimed,
            }
        )


def _cgroup_version() -> str:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return "v2"
    return "hybrid" if Path("/sys/fs/cgroup/unified").exists() else "v1"


def _item(kind: str, total: int, active: int, size: int, reclaimable: int) -> dict[str, Any]:
    return {"type": kind, "total": total, "active": active, "size": size, "reclaimable": reclaimable}


def _sizes(groups: Iterable[Iterable[Path]]) -> list[int]:
    return [sum(_tree_size(os.fspath(path)) for path in paths) for paths in groups]


def _tree_size(path: str) -> int:
    total = 0
    try:
        entries = list(os.scandir(path))
    except OSError:
        return 0
    for entry in entries:
        try:
            total += entry.stat(follow_symlinks=False).st_blocks * 512
            if entry.is_dir(follow_symlinks=False):
                total += _tree_size(entry.path)
        except OSError:
            continue
    return total
