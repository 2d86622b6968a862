"""A description of an object of any kind: its fields, in the order of the object."""

from __future__ import annotations

import re
from typing import Any

from pyrt.cli.describe.annotations import shown
from pyrt.cli.describe.events import describe_events
from pyrt.cli.describe.writer import Writer
from pyrt.client.resources import Resource

HIDDEN = frozenset(
    {"managedFields", "resourceVersion", "uid", "name", "namespace", "labels", "annotations", "generation"}
)


def describe_generic(item: dict[str, Any], resource: Resource, events: list[dict[str, Any]] | None) -> str:
    """The text."""
    out = Writer()
    metadata = item["metadata"]
    out.line("Name:", metadata["name"])
    if resource.namespaced:
        out.line("Namespace:", metadata.get("namespace", ""))
    out.mapping("Labels:", metadata.get("labels"), equals="=")
    out.mapping("Annotations:", shown(metadata.get("annotations")))
    out.line("API Version:", item.get("apiVersion") or resource.api_version)
    out.line("Kind:", item.get("kind") or resource.kind)
    _fields(out, {key: value for key, value in metadata.items() if key not in HIDDEN}, 0)
    _fields(out, {key: value for key, value in item.items() if key not in {"metadata", "apiVersion", "kind"}}, 0)
    describe_events(out, events)
    return out.text()


def fields_text(values: dict[str, Any]) -> str:
    """Fields alone, without a name above them."""
    out = Writer()
    _fields(out, values, 0)
    return out.text()


def title(key: str) -> str:
    """``podCIDRs`` -> ``Pod CIDRs``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key)
    return words[:1].upper() + words[1:]


def _fields(out: Writer, values: dict[str, Any], level: int) -> None:
    for key, value in values.items():
        _value(out, f"{title(key)}:", value, level)


def _value(out: Writer, name: str, value: Any, level: int) -> None:
    if isinstance(value, dict):
        out.line(name, level=level)
        _fields(out, value, level + 1)
    elif isinstance(value, list):
        out.line(name, level=level)
        for item in value:
            if isinstance(item, dict):
                _fields(out, item, level + 1)
            else:
                out.line(str(item), level=level + 1)
    else:
        out.line(name, str(value), level=level)
