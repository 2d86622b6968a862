"""The manifest of a secret."""

from __future__ import annotations

from typing import Any

from pyrt.cli.commands.create.sources import Data


def secret_object(name: str, kind: str, data: Data) -> dict[str, Any]:
    """The manifest."""
    from base64 import b64encode

    encoded = {key: b64encode(value).decode() for key, value in sorted(data.items())}
    manifest: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    if encoded:
        manifest["data"] = encoded
    if kind:
        manifest["type"] = kind
    return manifest
