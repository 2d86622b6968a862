"""A secret, in the layout of ``kubectl describe secret``: how long its values are, never what they are."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from pyrt.cli.describe.annotations import shown
from pyrt.cli.describe.writer import Writer


def describe_secret(item: dict[str, Any]) -> str:
    """The text."""
    out = Writer()
    metadata = item["metadata"]
    out.line("Name:", metadata["name"])
    out.line("Namespace:", metadata.get("namespace", ""))
    out.mapping("Labels:", metadata.get("labels"), equals="=")
    out.mapping("Annotations:", shown(metadata.get("annotations")))
    out.line()
    out.line("Type:", item.get("type", ""))
    out.line()
    out.line("Data")
    out.line("====")
    for key, text in sorted((item.get("data") or {}).items()):
        out.line(f"{key}:", f"{len(b64decode(text))} bytes")
    return out.text()
