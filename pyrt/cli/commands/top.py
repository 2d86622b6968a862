"""``pyrt top``."""

from __future__ import annotations

import re
import sys
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, warn
from pyrt.cli.options import all_namespaces_option, selector_options
from pyrt.cli.printers.columns import aligned
from pyrt.cli.session import Session
from pyrt.cli.targets import pod_name
from pyrt.client.resources import NODE, POD, Resource

EXAMPLES = """
# Show metrics for all pods in the default namespace
pyrt top pods

# Show metrics for the containers of one pod
pyrt top pod web --containers

# The pods that use the most memory first
pyrt top pods -A --sort-by=memory

# Show metrics for this machine
pyrt top node
"""
POD_METRICS = Resource("pods", "pod", "PodMetrics", group="metrics.k8s.io", version="v1beta1")
NODE_METRICS = Resource("nodes", "node", "NodeMetrics", group="metrics.k8s.io", version="v1beta1", namespaced=False)

SCALE = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip

Object = dict[str, Any]
Usage = tuple[float, float]
"""(cores, bytes)."""


@click.command(cls=Command, name="top", examples=EXAMPLES, arguments="(pods | nodes) [NAME | -l label]")
@click.argument("kind", required=False, default="pods")
@click.argument("name", required=False, default="")
@selector_options
@all_namespaces_option
@click.option("--containers", is_flag=True, help="Print the usage of the containers within a pod.")
@click.option("--sort-by", default="", metavar="FIELD", help="cpu or memory.")
@click.option("--sum", "total", is_flag=True, help="Print the sum of the resource usage.")
@click.option("--no-headers", is_flag=True, help="Don't print headers.")
@click.pass_obj
def command(session: Session, /, kind: str, name: str, **flags: Any) -> None:
    """Display what pods, their containers or this machine use of processors (cores) and memory (bytes)."""
    if flags["sort_by"] not in {"", "cpu", "memory"}:
        raise CliError("--sort-by accepts only cpu or memory")
    prefix, _, rest = kind.partition("/")
    kind, name = prefix, name or rest
    if NODE.answers_to(kind):
        rows = _nodes(session, flags)
    elif POD.answers_to(kind):
        rows = _pods(session, name, flags)
    else:
        raise CliError(f'unknown command "{kind}" for "pyrt top": expected pods or nodes')
    if rows:
        sys.stdout.write(aligned(rows))


def _pods(session: Session, name: str, flags: dict[str, Any]) -> list[list[str]]:
    everywhere = flags["all_namespaces"]
    query = {"labelSelector": flags["selector"], "fieldSelector": flags["field_selector"]}
    if name:
        items = [session.api.get(POD_METRICS.path(session.namespace, pod_name(name)))]
    else:
        items = session.api.get(POD_METRICS.path(None if everywhere else session.namespace), query).get("items") or []
    if not items:
        warn("No resources found" if everywhere else f"No resources found in {session.namespace} namespace.")
        return []
    measured: list[tuple[list[str], Usage]] = []
    for item in items:
        labels = [item["metadata"].get("namespace", "")] if everywhere else []
        labels.append(item["metadata"]["name"])
        usages = [(container["name"], _usage(container)) for container in item.get("containers") or ()]
        if flags["containers"]:
            measured += [([*labels, container], usage) for container, usage in usages]
        else:
            measured.append((labels, _sum(usage for _, usage in usages)))
    header = [*(["NAMESPACE"] if everywhere else []), *(["POD", "NAME"] if flags["containers"] else ["NAME"])]
    if not flags["containers"] and flags["total"] and len(measured) > 1:
        return _rows(header, measured, flags) + _total(header, measured)
    return _rows(header, measured, flags)


def _rows(header: list[str], measured: list[tuple[list[str], Usage]], flags: dict[str, Any]) -> list[list[str]]:
    if flags["sort_by"]:
        column = 0 if flags["sort_by"] == "cpu" else 1
        measured.sort(key=lambda row: -row[1][column])
    else:
        measured.sort(key=lambda row: row[0])
    rows = [[*labels, cores(usage[0]), mebibytes(usage[1])] for labels, usage in measured]
    return rows if flags["no_headers"] else [[*header, "CPU(cores)", "MEMORY(bytes)"], *rows]


def _total(header: list[str], measured: list[tuple[list[str], Usage]]) -> list[list[str]]:
    usage = _sum(usage for _, usage in measured)
    blank = [""] * len(header)
    return [[*blank, "________", "________"], [*blank, cores(usage[0]), mebibytes(usage[1])]]


def _nodes(session: Session, flags: dict[str, Any]) -> list[list[str]]:
    nodes = session.api.get(NODE.path(None)).get("items") or []
    capacity = {node["metadata"]["name"]: (node.get("status") or {}).get("allocatable") or {} for node in nodes}
    header = ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    rows = [] if flags["no_headers"] else [header]
    for item in session.api.get(NODE_METRICS.path(None)).get("items") or ():
        name = item["metadata"]["name"]
        used = _usage(item)
        whole = _usage({"usage": capacity.get(name, {})})
        rows.append(
            [name, cores(used[0]), _percent(used[0], whole[0]), mebibytes(used[1]), _percent(used[1], whole[1])]
        )
    return rows


def quantity(text: str | float) -> float:
    """The number that a Kubernetes quantity stands for: ``250m``, ``64Mi``, ``1e3``."""
    match = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)", str(text))
    if match is None or match[2] not in SCALE:
        raise CliError(f'the server sent the malformed quantity "{text}"')
    return float(match[1]) * SCALE[match[2]]


def cores(value: float) -> str:
    """Thousandths of a core."""
    return f"{round(value * 1000)}m"


def mebibytes(value: float) -> str:
    """Whole MiB."""
    return f"{int(value / 2**20)}Mi"


def _usage(item: Object) -> Usage:
    usage = item.get("usage") or item.get("Usage") or {}
    return quantity(usage.get("cpu", 0)), quantity(usage.get("memory", 0))


def _sum(usages: Any) -> Usage:
    pairs = list(usages)
    return sum(cpu for cpu, _ in pairs), sum(memory for _, memory in pairs)


def _percent(part: float, whole: float) -> str:
    return f"{int(part * 100 / whole)}%" if whole else "<unknown>"
