"""What differs between two objects, as the API server shows it to people (apimachinery, ``util/diff``)."""

from __future__ import annotations

import difflib
import json

import msgspec


def unified(old: object, new: object) -> str:
    """The hunks of a unified diff of two values written as JSON, one field a line; empty if they are the same."""
    before, after = (_lines(value) for value in (old, new))
    return "\n".join(difflib.unified_diff(before, after, lineterm="", n=3)).partition("\n+++ \n")[2]


def _lines(value: object) -> list[str]:
    return json.dumps(msgspec.to_builtins(value), indent=1, ensure_ascii=False).split("\n")
