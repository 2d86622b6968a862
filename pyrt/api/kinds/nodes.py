"""The one node: this machine, described when asked."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

import pyrt
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import READ_VERBS, Resource, Strategy
from pyrt.api.table import AGE, NAME, Column
from pyrt.kube.times import to_text
from pyrt.pods.facts import NodeFacts
from pyrt.store import StoredObject

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
MAX_PODS: Final = 110

COLUMNS: Final = (
    NAME,
    Column("Status"),
    Column("Roles"),
    AGE,
    Column("Version"),
    Column("Internal-IP", priority=1),
    Column("External-IP", priority=1),
    Column("OS-Image", priority=1),
    Column("Kernel-Version", priority=1),
    Column("Container-Runtime", priority=1),
)


class NodeStrategy(Strategy[dict[str, Any]]):
    """Computed, never stored."""

    def load(self, item: StoredObject) -> dict[str, Any]:
        """See :class:`Strategy`."""
        value: dict[str, Any] = msgspec.json.decode(item.data)
        return value


def describe_node(facts: NodeFacts, labels: Mapping[str, str], started_at: int) -> dict[str, Any]:
    """The Node object of this machine."""
    machine = os.uname()
    architecture = _ARCHITECTURES.get(machine.machine, machine.machine)
    capacity = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{facts.memory_capacity // 1024}Ki",
        "pods": str(MAX_PODS),
        "ephemeral-storage": f"{_disk(facts.pods) // 1024}Ki",
    }
    start = to_text(started_at)
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": facts.name,
            "uid": _read("/etc/machine-id") or facts.name,
            "resourceVersion": "1",
            "creationTimestamp": to_text(int(psutil.boot_time()) * 1_000_000_000),
            "labels": {
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": facts.name,
                "kubernetes.io/os": "linux",
                "beta.kubernetes.io/arch": architecture,
                "beta.kubernetes.io/os": "linux",
                **labels,
            },
        },
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "lastHeartbeatTime": to_text(time.time_ns()),
                    "lastTransitionTime": start,
                    "reason": "KubeletReady",
                    "message": "pyrt is running",
                }
            ],
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in facts.addresses),
                {"type": "Hostname", "address": facts.name},
            ],
            "nodeInfo": {
                "machineID": _read("/etc/machine-id"),
                "systemUUID": "",
                "bootID": _read("/proc/sys/kernel/random/boot_id"),
                "kernelVersion": machine.release,
                "osImage": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
                "containerRuntimeVersion": f"pyrt://{pyrt.__version__}",
                "kubeletVersion": f"pyrt-{pyrt.__version__}",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": architecture,
            },
        },
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _disk(path: Path) -> int:
    for place in (path, *path.parents):
        if place.exists():
            return psutil.disk_usage(str(place)).total
    return 0


def _cells(node: dict[str, Any]) -> list[Any]:
    info, addresses = node["status"]["nodeInfo"], node["status"]["addresses"]
    return [
        node["metadata"]["name"],
        "Ready",
        "<none>",
        age(node["metadata"]["creationTimestamp"]),
        info["kubeletVersion"],
        next((a["address"] for a in addresses if a["type"] == "InternalIP"), "<none>"),
        "<none>",
        info["osImage"],
        info["kernelVersion"],
        info["containerRuntimeVersion"],
    ]


def nodes(describe: Callable[[], dict[str, Any]]) -> Resource:
    """``v1 Node``."""
    return Resource(
        plural="nodes",
        singular="node",
        kind="Node",
        verbs=READ_VERBS,
        strategy=NodeStrategy(),
        namespaced=False,
        short_names=("no",),
        columns=COLUMNS,
        cells=_cells,
        derived=lambda: [msgspec.json.encode(describe())],
    )
