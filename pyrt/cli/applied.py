"""What was applied last, as kubectl keeps it: in an annotation of the object, so that the two can take turns on one."""

from __future__ import annotations

import json
from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Object = dict[str, Any]


def annotated(wanted: Object) -> Object:
    """The object with itself in the annotation."""
    metadata = wanted.get("metadata") or {}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    bare = {**wanted, "metadata": {**metadata, "annotations": annotations}}
    text = json.dumps(bare, separators=(",", ":"), sort_keys=True) + "\n"
    return {**wanted, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def last_applied(live: Object) -> Object | None:
    """What was applied last; ``None`` if nothing was, or what is said there is no object."""
    annotations = (live.get("metadata") or {}).get("annotations") or {}
    try:
        value = json.loads(annotations.get(LAST_APPLIED, "null"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
