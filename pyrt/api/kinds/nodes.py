"""The one node: this machine, described when asked."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

import pyrt
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import READ_VERBS, Resource, Strategy
from pyrt.api.table import AGE, NAME, Column
from pyrt.images.types import Image
from pyrt.kube.times import to_text
from pyrt.launch.features import probe
from pyrt.pods.allocation import Allocatable
from pyrt.pods.capacity import resource_list
from pyrt.pods.facts import NodeFacts
from pyrt.pods.node_conditions import NodeCondition
from pyrt.store import StoredObject

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_IMAGES_MAX: Final = 50

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


def describe_node(
    facts: NodeFacts,
    labels: Mapping[str, str],
    started_at: int,
    conditions: Iterable[NodeCondition] = (),
    images: Iterable[Image] = (),
) -> dict[str, Any]:
    """The Node object of this machine; ``started_at`` (Unix nanoseconds) is when this daemon became ready."""
    machine = os.uname()
    architecture = _ARCHITECTURES.get(machine.machine, machine.machine)
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
            "capacity": resource_list(Allocatable(facts.capacity, facts.room.pods)),
            "allocatable": resource_list(facts.room),
            "conditions": _conditions(conditions, started_at),
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in facts.addresses),
                {"type": "Hostname", "address": facts.name},
            ],
            "nodeInfo": {
                "machineID": _read("/etc/machine-id"),
                "systemUUID": _read("/sys/class/dmi/id/product_uuid"),
                "bootID": _read("/proc/sys/kernel/random/boot_id"),
                "kernelVersion": machine.release,
                "osImage": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
                "containerRuntimeVersion": f"pyrt://{pyrt.__version__}",
                "kubeletVersion": f"pyrt-{pyrt.__version__}",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": architecture,
            },
            "images": _images(images),
            "features": {"supplementalGroupsPolicy": True},
            "runtimeHandlers": [
                {
                    "name": "",
                    "features": {"recursiveReadOnlyMounts": True, "userNamespaces": probe().overlay_idmapped},
                }
            ],
        },
    }


def _conditions(pressures: Iterable[NodeCondition], started_at: int) -> list[dict[str, str]]:
    beat = to_text(time.time_ns())
    found = [
        {
            "type": pressure.type,
            "status": "True" if pressure.active else "False",
            "lastHeartbeatTime": beat,
            "lastTransitionTime": to_text(pressure.since),
            "reason": pressure.reason,
            "message": pressure.message,
        }
        for pressure in pressures
    ]
    ready = {
        "type": "Ready",
        "status": "True",
        "lastHeartbeatTime": beat,
        "lastTransitionTime": to_text(started_at),
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    return [*found, ready]


def _images(images: Iterable[Image]) -> list[dict[str, Any]]:
    """The largest first, at most as many as the kubelet tells of (``nodeStatusMaxImages``)."""
    largest = sorted(images, key=lambda image: -image.size)[:_IMAGES_MAX]
    return [{"names": [*image.repo_digests, *image.repo_tags], "sizeBytes": image.size} for image in largest]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


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
