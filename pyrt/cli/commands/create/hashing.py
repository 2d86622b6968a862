"""``--append-hash``: a name that changes with the content (kubectl, ``pkg/util/hash``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

_NO_VOWELS: Final = str.maketrans("013ae", "ghkmt")
_HTML: Final = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def hash_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--append-hash``."""
    return click.option("--append-hash", is_flag=True, help="Append a hash of the object to its name.")(function)


def with_hash(manifest: dict[str, Any], wanted: bool = True) -> dict[str, Any]:
    """The ConfigMap or Secret under its name, a dash, and ten characters that stand for its data and kind."""
    import hashlib
    import json

    if not wanted:
        return manifest
    name = manifest["metadata"]["name"]
    content: dict[str, Any] = {"kind": manifest["kind"], "name": name, "data": manifest.get("data", {})}
    if manifest["kind"] == "Secret":
        content["type"] = manifest.get("type", "")
    elif manifest.get("binaryData"):
        content["binaryData"] = manifest["binaryData"]
    # As Go writes JSON: keys sorted, no blanks, and what HTML minds escaped.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).translate(_HTML)
    suffix = hashlib.sha256(text.encode()).hexdigest()[:10].translate(_NO_VOWELS)
    return {**manifest, "metadata": {**manifest["metadata"], "name": f"{name}-{suffix}"}}
