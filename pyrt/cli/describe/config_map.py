"""A ConfigMap, in the layout of ``kubectl describe configmap``."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from pyrt.cli.describe.annotations import shown
from pyrt.cli.describe.events import describe_events
from pyrt.cli.describe.writer import Writer


def describe_config_map(item: dict[str, Any], events: list[dict[str, Any]] | None) -> str:
    """The text. ``events`` ``None`` leaves them out."""
    out = Writer()
    metadata = item["metadata"]
    out.line("Name:", metadata["name"])
    out.line("Namespace:", metadata.get("namespace", ""))
    out.mapping("Labels:", metadata.get("labels"), equals="=")
    out.mapping("Annotations:", shown(metadata.get("annotations")))
    out.line()
    out.line("Data")
    out.line("====")
    for key, text in sorted((item.get("data") or {}).items()):
        out.line(f"{key}:")
        out.line("----")
        for line in text.split("\n"):
            out.line(line)
        out.line()
    out.line()
    out.line("BinaryData")
    out.line("====")
    for key, text in sorted((item.get("binaryData") or {}).items()):
        out.line(f"{key}: {len(b64decode(text))} bytes")
    out.line()
    describe_events(out, events)
    return out.text()
