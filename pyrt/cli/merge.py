"""``apply``: what changes between what was applied last, what is to be applied now, and what the server has.

The three-way merge of kubectl, done on whole objects: the desired object is computed here, lists of named things merged
by their keys, and sent as a JSON merge patch (RFC 7386) against the live one.
"""

from __future__ import annotations

from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's own annotation, so that the two can take turns on one object."""

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "ownerReferences": ("uid",),
}
"""Lists whose items are recognised by these fields (``patchMergeKey`` in the published OpenAPI); all others are
replaced whole."""

DEFAULTS: dict[str, str] = {"protocol": "TCP"}
"""What a key field means when it is not written."""

Object = dict[str, Any]


def desired(last: Object, wanted: Object, live: Object) -> Object:
    """``live`` with what ``wanted`` says, and without what ``last`` said and ``wanted`` no longer does."""
    result = dict(live)
    for key, value in wanted.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _value(key, last.get(key), value, live.get(key))
    for key in last:
        if key not in wanted:
            result.pop(key, None)
    return result


def _value(key: str, last: Any, wanted: Any, live: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return desired(last if isinstance(last, dict) else {}, wanted, live)
    if isinstance(wanted, list) and isinstance(live, list) and key in MERGE_KEYS:
        return _items(MERGE_KEYS[key], last if isinstance(last, list) else [], wanted, live)
    return wanted


def _items(keys: tuple[str, ...], last: list[Any], wanted: list[Any], live: list[Any]) -> list[Any]:
    if not all(isinstance(item, dict) for item in (*last, *wanted, *live)):
        return wanted
    known = {_identity(keys, item): item for item in live}
    before = {_identity(keys, item): item for item in last}
    merged = {
        identity: desired(before.get(identity, {}), item, known[identity]) if identity in known else item
        for identity, item in ((_identity(keys, item), item) for item in wanted)
    }
    # What somebody else put there stays, in its place; what we put there before and no longer want goes.
    result = [
        merged.get(identity, item) for identity, item in known.items() if identity in merged or identity not in before
    ]
    return result + [item for identity, item in merged.items() if identity not in known]


def _identity(keys: tuple[str, ...], item: Object) -> tuple[Any, ...]:
    return tuple(item.get(key, DEFAULTS.get(key)) for key in keys)


def merge_patch(old: Object, new: Object) -> Object:
    """The RFC 7386 patch that makes ``new`` of ``old``; empty if they are the same."""
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if key in old and before == value:
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            patch[key] = merge_patch(before, value)
        else:
            patch[key] = value
    return patch
