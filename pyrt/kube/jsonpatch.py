"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386) on plain JSON values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, Final

from pyrt.kube.strategic import PatchError

MAX_OPERATIONS: Final = 10_000
"""Of one JSON patch (apiserver, ``maxJSONPatchOperations``)."""
MAX_COPIED: Final = 3 * 1024 * 1024
"""Bytes, as JSON, that all ``copy`` operations of a patch may make: they could double the document each time
(apiserver, ``AccumulatedCopySizeLimit``)."""


class InapplicableError(PatchError):
    """A patch that is well made, but not for this document."""


class TooLargeError(PatchError):
    """A patch of more than :data:`MAX_OPERATIONS`, or whose copies amount to more than :data:`MAX_COPIED`."""


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


def apply(target: Any, operations: Any) -> Any:
    """``target`` after all operations (RFC 6902), or none of them; it is not changed itself.

    Raises
    ------
    PatchError: this is no JSON patch.
    InapplicableError: an operation does not fit the document, or a test fails.
    """
    document = copy.deepcopy(target)
    if not isinstance(operations, list):
        raise PatchError("expected a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise TooLargeError(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}")
    copied = 0
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError("an operation needs op and path")
        handler = _OPERATIONS.get(str(operation.get("op")))
        if handler is None:
            raise PatchError(f"unknown operation {operation.get('op')!r}")
        if handler is _op_copy:
            copied += len(json.dumps(_resolve(document, _pointer(operation.get("from")))))
            if copied > MAX_COPIED:
                raise TooLargeError(
                    f"Unable to complete the copy operations: they exceed the limit of {MAX_COPIED} bytes"
                )
        document = handler(document, operation)
    return document


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchError(f"invalid JSON pointer: {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(target: list[Any], key: str, *, end: int) -> int:
    if not (key.isascii() and key.isdigit()) or int(key) >= end or (key != "0" and key.startswith("0")):
        raise InapplicableError(f"invalid array index {key!r}")
    return int(key)


def _resolve(document: Any, path: list[str]) -> Any:
    for key in path:
        if isinstance(document, list):
            document = document[_index(document, key, end=len(document))]
        elif isinstance(document, dict) and key in document:
            document = document[key]
        else:
            raise InapplicableError(f"path {'/'.join(path)!r} does not exist")
    return document


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError("the operation needs a value")
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
        raise InapplicableError(f"path {'/'.join(path)!r} does not exist")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise InapplicableError("cannot remove the whole document")
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
        raise InapplicableError("cannot move a value into itself")
    value = _resolve(document, source)
    return _add(_remove(document, source), target, value)


def _op_copy(document: Any, operation: dict[str, Any]) -> Any:
    return _add(
        document, _pointer(operation["path"]), copy.deepcopy(_resolve(document, _pointer(operation.get("from"))))
    )


def _op_test(document: Any, operation: dict[str, Any]) -> Any:
    if not _same(_resolve(document, _pointer(operation["path"])), _value(operation)):
        raise InapplicableError(f"testing path {operation['path']!r} value failed")
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
