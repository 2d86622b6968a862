"""The patch formats: JSON merge patch (RFC 7386), JSON patch (RFC 6902), and Kubernetes' strategic merge patch
(:mod:`pyrt.kube.strategic`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import msgspec

from pyrt.api.errors import ApiError, bad_request, unsupported_media_type
from pyrt.kube import strategic

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
PATCH_TYPES: Final = frozenset((MERGE, STRATEGIC, JSON_PATCH))
APPLY_TYPES: Final = frozenset(("application/apply-patch+yaml", "application/apply-patch+cbor"))
"""Server-side apply."""
MAX_OPERATIONS: Final = 10_000
"""Of one JSON patch (apiserver, ``maxJSONPatchOperations``)."""


def patch_type(content_type: str) -> str:
    """The format of a request's patch. Raises ApiError 415, also for server-side apply, which is told apart."""
    media = content_type.split(";")[0].strip()
    if media in PATCH_TYPES:
        return media
    error = unsupported_media_type(media, sorted(PATCH_TYPES))
    if media in APPLY_TYPES:
        text = f"server-side apply is not supported by this server: use client-side apply; {error.message}"
        raise ApiError(error.code, error.reason, text)
    raise error


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
        patched = merge(target, document) if media == MERGE else _strategic(target, document)
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


def _strategic(target: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    try:
        return strategic.apply(target, change)
    except strategic.PatchError as error:
        raise bad_request(str(error)) from error


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
    if not _same(_resolve(document, _pointer(operation["path"])), _value(operation)):
        raise _unprocessable(f"testing path {operation['path']!r} value failed")
    return document


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON values (RFC 6902, 4.6): to Python ``True`` is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


_OPERATIONS: Final[dict[str, Callable[[Any, dict[str, Any]], Any]]] = {
    "add": _op_add,
    "remove": _op_remove,
    "replace": _op_replace,
    "move": _op_move,
    "copy": _op_copy,
    "test": _op_test,
}
