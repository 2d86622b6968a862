"""A node, in the layout of ``kubectl describe node``."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec

from pyrt.cli.describe.annotations import shown
from pyrt.cli.describe.events import describe_events
from pyrt.cli.describe.writer import Writer
from pyrt.cli.durations import age, rfc1123
from pyrt.kube import quantity
from pyrt.kube.aggregate import HUGEPAGES, pod_limits, pod_requests
from pyrt.kube.pod import PodSpec

Object = dict[str, Any]
Figures = dict[str, Fraction]

_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)
_DONE = ("Succeeded", "Failed")


def describe_node(node: Object, pods: list[Object], events: list[Object] | None) -> str:
    """The text. ``pods`` are all pods of the node; ``events`` ``None`` leaves them out."""
    out = Writer()
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    out.line("Name:", metadata["name"])
    out.line("Roles:", _roles(metadata.get("labels") or {}))
    out.mapping("Labels:", metadata.get("labels"), equals="=")
    out.mapping("Annotations:", shown(metadata.get("annotations")))
    out.line("CreationTimestamp:", rfc1123(metadata["creationTimestamp"]))
    taints = [_taint(taint) for taint in spec.get("taints") or ()] or ["<none>"]
    for index, taint in enumerate(taints):
        out.line("Taints:" if index == 0 else "", taint)
    out.line("Unschedulable:", "true" if spec.get("unschedulable") else "false")
    _conditions(out, status.get("conditions") or [])
    out.line("Addresses:")
    for address in status.get("addresses") or ():
        out.line(f"{address['type']}:", address["address"], level=1)
    for title, key in (("Capacity:", "capacity"), ("Allocatable:", "allocatable")):
        if status.get(key):
            out.line(title)
            for name, amount in sorted(status[key].items()):
                out.line(f"{name}:", str(amount), level=1)
    out.line("System Info:")
    for title, key in _INFO:
        out.line(f"{title}:", str((status.get("nodeInfo") or {}).get(key, "")), level=1)
    _resources(out, [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _DONE], status)
    describe_events(out, events)
    return out.text()


def _roles(labels: dict[str, str]) -> str:
    prefix = "node-role.kubernetes.io/"
    return ",".join(sorted(name.removeprefix(prefix) for name in labels if name.startswith(prefix))) or "<none>"


def _taint(taint: Object) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint.get('effect', '')}"


def _conditions(out: Writer, conditions: list[Object]) -> None:
    if not conditions:
        return
    out.line("Conditions:")
    out.line("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message", level=1)
    out.line("----", "------", "-----------------", "------------------", "------", "-------", level=1)
    for c in conditions:
        times = (rfc1123(c["lastHeartbeatTime"]), rfc1123(c["lastTransitionTime"]))
        out.line(c["type"], c["status"], *times, c.get("reason", ""), c.get("message", ""), level=1)


def _resources(out: Writer, pods: list[Object], status: Object) -> None:
    whole = {name: quantity.value(str(text)) for name, text in (status.get("allocatable") or {}).items()}
    out.line("Non-terminated Pods:", f"({len(pods)} in total)")
    head = ("Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age")
    out.line(*head, level=1)
    out.line(*("-" * len(word) for word in head), level=1)
    requests: Figures = {}
    limits: Figures = {}
    for pod in sorted(pods, key=lambda pod: (pod["metadata"].get("namespace", ""), pod["metadata"]["name"])):
        metadata = pod["metadata"]
        spec = msgspec.convert(pod["spec"], PodSpec)
        asked, allowed = pod_requests(spec), pod_limits(spec)
        for total, figures in ((requests, asked), (limits, allowed)):
            for name, amount in figures.items():
                total[name] = total.get(name, Fraction()) + amount
        cells = [_share(name, figures, whole) for name in ("cpu", "memory") for figures in (asked, allowed)]
        out.line(
            metadata.get("namespace", ""), metadata["name"], *cells, age(metadata.get("creationTimestamp")), level=1
        )
    out.line("Allocated resources:")
    out.line("(Total limits may be over 100 percent, i.e., overcommitted.)", level=1)
    out.line("Resource", "Requests", "Limits", level=1)
    out.line("--------", "--------", "------", level=1)
    pages = sorted(name for name in whole if name.startswith(HUGEPAGES))
    for name in ("cpu", "memory", "ephemeral-storage", *pages):
        out.line(name, _share(name, requests, whole), _share(name, limits, whole), level=1)


def _share(name: str, figures: Figures, whole: Figures) -> str:
    """``250m (12%)``."""
    amount = figures.get(name, Fraction())
    text = quantity.of_milli(int(amount * 1000)) if name == "cpu" else quantity.of_units(int(amount), binary=True)
    total = whole.get(name, Fraction())
    return f"{text} ({int(amount * 100 / total) if total else 0}%)"
