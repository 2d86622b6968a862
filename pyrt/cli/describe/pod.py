"""A pod, in the layout of ``kubectl describe pod``."""

from __future__ import annotations

from typing import Any

from pyrt.cli.describe.annotations import shown
from pyrt.cli.describe.container import describe_containers
from pyrt.cli.describe.events import describe_events
from pyrt.cli.describe.volumes import describe_volumes
from pyrt.cli.describe.writer import Writer
from pyrt.cli.durations import age, rfc1123

Object = dict[str, Any]


def describe_pod(pod: Object, events: list[Object] | None) -> str:
    """The text. ``events`` ``None`` leaves them out."""
    out = Writer()
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    _head(out, pod, spec, status)
    for title, specs, statuses in (
        ("Init Containers:", "initContainers", "initContainerStatuses"),
        ("Containers:", "containers", "containerStatuses"),
        ("Ephemeral Containers:", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(specs):
            describe_containers(out, title, spec[specs], status.get(statuses) or [], pod)
    for title, entries, key in (
        ("Readiness Gates:", spec.get("readinessGates"), "conditionType"),
        ("Conditions:", status.get("conditions"), "type"),
    ):
        if entries:
            _conditions(out, title, entries, status.get("conditions") or [], key)
    describe_volumes(out, spec.get("volumes") or [])
    out.line("QoS Class:", status.get("qosClass") or "<none>")
    out.mapping("Node-Selectors:", spec.get("nodeSelector"), equals="=")
    _tolerations(out, spec.get("tolerations") or [])
    describe_events(out, events)
    return out.text()


def _head(out: Writer, pod: Object, spec: Object, status: Object) -> None:
    metadata = pod["metadata"]
    out.line("Name:", metadata["name"])
    out.line("Namespace:", metadata.get("namespace", ""))
    if spec.get("priority") is not None:
        out.line("Priority:", str(spec["priority"]))
    if spec.get("priorityClassName"):
        out.line("Priority Class Name:", spec["priorityClassName"])
    if spec.get("runtimeClassName"):
        out.line("Runtime Class Name:", spec["runtimeClassName"])
    if spec.get("serviceAccountName"):
        out.line("Service Account:", spec["serviceAccountName"])
    node = spec.get("nodeName") or ""
    out.line("Node:", "/".join(part for part in (node, status.get("hostIP") or "") if part) or "<none>")
    if status.get("startTime"):
        out.line("Start Time:", rfc1123(status["startTime"]))
    out.mapping("Labels:", metadata.get("labels"), equals="=")
    out.mapping("Annotations:", shown(metadata.get("annotations")))
    if metadata.get("deletionTimestamp"):
        out.line("Status:", f"Terminating (lasts {age(metadata['deletionTimestamp'])})")
        out.line("Termination Grace Period:", f"{metadata.get('deletionGracePeriodSeconds', 0)}s")
    else:
        out.line("Status:", status.get("phase") or "Unknown")
    if status.get("reason"):
        out.line("Reason:", status["reason"])
    if status.get("message"):
        out.line("Message:", status["message"])
    if profile := (spec.get("securityContext") or {}).get("seccompProfile"):
        out.line("SeccompProfile:", profile.get("type", ""))
    out.line("IP:", status.get("podIP") or "")
    addresses = [entry["ip"] for entry in status.get("podIPs") or ()]
    if addresses:
        out.line("IPs:")
        for address in addresses:
            out.line("IP:", address, level=1)
    else:
        out.line("IPs:", "<none>")
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            out.line("Controlled By:", f"{owner['kind']}/{owner['name']}")


def _conditions(out: Writer, title: str, entries: list[Object], conditions: list[Object], key: str) -> None:
    states = {entry["type"]: entry.get("status", "") for entry in conditions}
    out.line(title)
    out.line("Type", "Status", level=1)
    for entry in entries:
        out.line(f"{entry[key]} ", states.get(entry[key], "<none>"), level=1)  # kubectl has this space too


def _tolerations(out: Writer, tolerations: list[Object]) -> None:
    if not tolerations:
        out.line("Tolerations:", "<none>")
        return
    for index, toleration in enumerate(tolerations):
        text = toleration.get("key", "")
        if toleration.get("value"):
            text += f"={toleration['value']}"
        if toleration.get("effect"):
            text += f":{toleration['effect']}"
        if toleration.get("operator") == "Exists" and not toleration.get("value"):
            text += " op=Exists"
        if toleration.get("tolerationSeconds") is not None:
            text += f" for {toleration['tolerationSeconds']}s"
        out.line("Tolerations:" if index == 0 else "", text)
