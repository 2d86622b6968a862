"""The patch formats: JSON merge patch (RFC 7386), JSON patch (RFC 6902), and Kubernetes' strategic merge patch.

A strategic merge patch merges lists of named things by their key instead of replacing them (community,
``contributors/devel/sig-api-machinery/strategic-merge-patch.md``); the keys are in the API types' ``patchMergeKey``
tags.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import msgspec

from pyrt.api.errors import ApiError, bad_request

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
PATCH_TYPES: Final = frozenset((MERGE, STRATEGIC, JSON_PATCH))
MAX_OPERATIONS: Final = 10_000
"""Of one JSON patch (apiserver, ``maxJSONPatchOperations``)."""

_MERGE_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "env": ("name",),
    "ports": ("containerPort",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey",),
    "schedulingGates": ("name",),
    "resourceClaims": ("name",),
}
_MERGED_SETS: Final = frozenset(("finalizers",))


def apply_patch(media: str, target: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The patched object; ``target`` itself is not changed. Raises ApiError 400 and 422."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if media == JSON_PATCH:
        patched = _json_patch(copy.deepcopy(target), document)
    elif not isinstance(document, dict):
        raise bad_request("error decoding patch: expected an object")
    else:
        patched = merge(target, document) if media == MERGE else strategic(target, document)
    if not isinstance(patched, dict):
        raise _unprocessable("the patch does not leave an object")
    return patched


def merge(target: Any, change: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, change: Any) -> Any:
    """Merge with lists of named things merged by name, and the ``$patch``, ``$retainKeys`` and
    ``$deleteFromPrimitiveList`` directives.
    """
    if not isinstance(change, dict):
        return change
    directive = change.get("$patch")
    if directive == "replace":
        return {key: value for key, value in change.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in change:
        result = {key: value for key, value in result.items() if key in change["$retainKeys"]}
    for key, value in change.items():
        if key.startswith(("$setElementOrder/", "$retainKeys", "$patch")):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list) and key in _MERGE_KEYS:
            order = change.get(f"$setElementOrder/{key}")
            result[key] = _merge_list(result.get(key) or [], value, _MERGE_KEYS[key], order)
        elif isinstance(value, list) and key in _MERGED_SETS:
            present = result.get(key) or []
            result[key] = [*present, *(item for item in value if item not in present)]
        else:
            result[key] = strategic(result.get(key), value)
    return result


def _merge_list(present: list[Any], change: list[Any], keys: tuple[str, ...], order: list[Any] | None) -> list[Any]:
    def identity(item: Any) -> tuple[Any, ...]:
        if not isinstance(item, dict) or not all(key in item for key in keys):
            raise bad_request(f"map: {item} does not contain declared merge key: {keys[0]}")
        return tuple(item[key] for key in keys)

    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in change):
        return [item for item in change if "$patch" not in item]
    result = {identity(item): item for item in present}
    for item in change:
        key = identity(item)
        if item.get("$patch") == "delete":
            result.pop(key, None)
        else:
            result[key] = strategic(result.get(key), item)
    items = list(result.values())
    if order is not None:
        rank = {identity(item): index for index, item in enumerate(order)}
        items.sort(key=lambda item: rank.get(identity(item), len(rank)))
    return items


def _json_patch(document: Any, operations: Any) -> Any:
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: expected a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise ApiError(
            413, "RequestEntityTooLarge", f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}"
        )
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise bad_request("error decoding patch: an operation needs op and path")
        handler = _OPERATIONS.get(str(operation.get("op")))
        if handler is None:
            raise bad_request(f"error decoding patch: unknown operation {operation.get('op')!r}")
        document = handler(document, operation)
    return document


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise bad_request(f"invalid JSON pointer: {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _unprocessable(message: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")


def _index(target: list[Any], key: str, *, end: int) -> int:
    if not (key.isascii() and key.isdigit()) or int(key) >= end or (key != "0" and key.startswith("0")):
        raise _unprocessable(f"invalid array index {key!r}")
    return int(key)


def _resolve(document: Any, path: list[str]) -> Any:
    for key in path:
        if isinstance(document, list):
            document = document[_index(document, key, end=len(document))]
        elif isinstance(document, dict) and key in document:
            document = document[key]
        else:
            raise _unprocessable(f"path {'/'.join(path)!r} does not exist")
    return document


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise bad_request("error decoding patch: the operation needs a value")
    return operation["value"]


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _resolve(document, path[:-1])
    if isinstance(parent, list):
        at = len(parent) if path[-1] == "-" else _index(parent, path[-1], end=len(parent) + 1)
        parent.insert(at, value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise _unprocessable(f"path {'/'.join(path)!r} does not exist")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise _unprocessable("cannot remove the whole document")
    parent = _resolve(document, path[:-1])
    _resolve(parent, path[-1:])
    if isinstance(parent, list):
        del parent[int(path[-1])]
    else:
        del parent[path[-1]]
    return document


def _op_add(document: Any, operation: dict[str, Any]) -> Any:
    return _add(document, _pointer(operation["path"]), _value(operation))


def _op_remove(document: Any, operation: dict[str, Any]) -> Any:
    return _remove(document, _pointer(operation["path"]))


def _op_replace(document: Any, operation: dict[str, Any]) -> Any:
    path, value = _pointer(operation["path"]), _value(operation)
    if not path:
        return value
    return _add(_remove(document, path), path, value)


def _op_move(document: Any, operation: dict[str, Any]) -> Any:
    source, target = _pointer(operation.get("from")), _pointer(operation["path"])
    if target[: len(source)] == source and target != source:
        raise _unprocessable("cannot move a value into itself")
    value = _resolve(document, source)
    return _add(_remove(document, source), target, value)


def _op_copy(document: Any, operation: dict[str, Any]) -> Any:
    return _add(
        document, _pointer(operation["path"]), copy.deepcopy(_resolve(document, _pointer(operation.get("from"))))
    )


def _op_test(document: Any, operation: dict[str, Any]) -> Any:
    if _resolve(document, _pointer(operation["path"])) != _value(operation):
        raise _unprocessable(f"testing path {operation['path']!r} value failed")
    return document


_OPERATIONS: Final[dict[str, Callable[[Any, dict[str, Any]], Any]]] = {
    "add": _op_add,
    "remove": _op_remove,
    "replace": _op_replace,
    "move": _op_move,
    "copy": _op_copy,
    "test": _op_test,
}
