"""What a pod may tell its containers about itself: fields of its metadata, and resources of its containers.

As the kubelet has it: ``pkg/fieldpath/fieldpath.go`` and ``pkg/api/v1/resource/helpers.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyrt.kube import quantity
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.volumes import ResourceFieldSelector

DEFAULTED: Final = ("cpu", "memory", "ephemeral-storage")
"""Limits that the node's allocatable resources stand in for. Huge pages are never overcommitted."""

_ESCAPES: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def field_value(pod: Pod, path: str) -> str | None:
    """The value of a field of ``metadata``; ``None`` for a path that is not one of them.

    ``metadata.labels['key']`` is empty when there is no such label; ``metadata.labels`` is every label, a line each.
    """
    meta = pod.metadata
    plain = {"metadata.name": meta.name, "metadata.namespace": meta.namespace, "metadata.uid": meta.uid}
    if path in plain:
        return plain[path]
    maps = {"metadata.labels": meta.labels, "metadata.annotations": meta.annotations}
    if path in maps:
        return "\n".join(f"{key}={go_quoted(value)}" for key, value in sorted(maps[path].items()))
    name, opened, key = path.partition("['")
    if name in maps and opened and key.endswith("']"):
        return maps[name].get(key[:-2], "")
    return None


def go_quoted(text: str) -> str:
    """A Go string literal (``strconv.Quote``): the values of labels and annotations in a file."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    # Python and Go agree on what is printable: no control, format, private or separator but the space.
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def find_container(pod: Pod, name: str) -> Container | None:
    """The container or init container of that name."""
    return next((c for c in (*pod.spec.containers, *pod.spec.init_containers) if c.name == name), None)


def with_limits(
    container: Container | EphemeralContainer, allocatable: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The container's requests and limits, where a limit that is missing or zero is what the node has."""
    limits = dict(container.resources.limits)
    for name in DEFAULTED:
        if name in allocatable and quantity.value(limits.get(name, "0")) == 0:
            limits[name] = allocatable[name]
    return container.resources.requests, limits


def resource_value(selector: ResourceFieldSelector, requests: Mapping[str, str], limits: Mapping[str, str]) -> str:
    """``limits.cpu`` and its like in units of the divisor, rounded up."""
    kind, _, name = selector.resource.partition(".")
    amount = quantity.value((limits if kind == "limits" else requests).get(name, "0"))
    divisor = quantity.value(selector.divisor or "0") or quantity.value("1")
    return str(-int(-(amount / divisor) // 1))
