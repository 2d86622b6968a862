"""Typing plain objects, strictly: every unknown field and every wrong type at once, each by its path.

The common case is one call of msgspec. Only when that fails (or finds a ``null``, a number where a quantity is text...)
the object is walked by hand along the types: nulls count as absent, numbers become quantities, and what is wrong is
collected.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from pyrt.errors import PyrtError
from pyrt.kube.base import KubeStruct

T = TypeVar("T", bound=KubeStruct)

_DROP = object()
"""A value that counts as absent."""

_DEPTH_MESSAGE = "exceeded max depth"


class DecodeError(PyrtError):
    """An object that does not fit its type. ``errors`` has one sentence a fault; ``kind`` names the type."""

    def __init__(self, kind: str, errors: list[str]) -> None:
        super().__init__("strict decoding error: " + ", ".join(errors))
        self.kind = kind
        self.errors = tuple(errors)


def from_object(value: object, to: type[T]) -> T:
    """Type a plain object (of YAML or JSON).

    Raises
    ------
    DecodeError: unknown fields, wrong types, numbers out of range.
    """
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError:
        return _carefully(value, to)
    except RecursionError as error:
        raise DecodeError(to.__name__, [_DEPTH_MESSAGE]) from error


def from_json(data: bytes, to: type[T], *, tolerated: list[str] | None = None) -> T:
    """Type a JSON text, in which a key may not stand twice in an object.

    With ``tolerated`` unknown fields and doubled keys (of which the last counts) are no errors: they are left out, and
    what there is to say about them goes into that list.

    Raises
    ------
    DecodeError: as :func:`from_object`, or the text is not JSON.
    """
    doubled: list[str] = []
    try:
        typed: T = _decoder(to).decode(data)
    except msgspec.ValidationError:
        plain = _plain(data, to, doubled)
        _tolerate(doubled, to, tolerated)
        return _carefully(plain, to, tolerated)
    except msgspec.DecodeError as error:
        raise DecodeError(to.__name__, [f"invalid JSON: {error}"]) from error
    except RecursionError as error:
        raise DecodeError(to.__name__, [_DEPTH_MESSAGE]) from error
    _plain(data, to, doubled)
    _tolerate(doubled, to, tolerated)
    return typed


def _tolerate(faults: list[str], to: type[KubeStruct], tolerated: list[str] | None) -> None:
    if tolerated is not None:
        tolerated += faults
    elif faults:
        raise DecodeError(to.__name__, faults)


def to_json(value: KubeStruct) -> bytes:
    """The JSON text of an object."""
    return _encode(value)


def to_object(value: KubeStruct) -> dict[str, Any]:
    """The plain object: what ``-o yaml`` prints."""
    plain = msgspec.to_builtins(value)
    assert isinstance(plain, dict)
    return plain


_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=64)
def _decoder(to: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(to)


def _plain(data: bytes, to: type[KubeStruct], duplicates: list[str]) -> object:
    """The plain object; keys that stand twice are told in ``duplicates``."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            duplicates.extend(f'duplicate field "{key}"' for key in found if keys.count(key) > 1)
        return found

    try:
        plain = json.loads(data, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise DecodeError(to.__name__, [f"invalid JSON: {error}"]) from error
    return plain


class _Faults(list[str]):
    """What does not fit; unknown fields apart, if they are tolerated."""

    def __init__(self, tolerated: list[str] | None) -> None:
        super().__init__()
        self.unknown: list[str] = self if tolerated is None else tolerated


def _carefully(value: object, to: type[T], tolerated: list[str] | None = None) -> T:
    errors = _Faults(tolerated)
    try:
        cleaned = _walk(_type_info(to), value, "", errors)
    except RecursionError as error:
        raise DecodeError(to.__name__, [_DEPTH_MESSAGE]) from error
    if errors:
        raise DecodeError(to.__name__, errors)
    try:
        return msgspec.convert({} if cleaned is _DROP else cleaned, to)
    except msgspec.ValidationError as error:
        raise DecodeError(to.__name__, [str(error)]) from error


@lru_cache(maxsize=512)
def _type_info(to: type[KubeStruct]) -> inspect.Type:
    return inspect.type_info(to)


@lru_cache(maxsize=512)
def _fields(to: type[KubeStruct]) -> Mapping[str, inspect.Field]:
    info = _type_info(to)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: field for field in info.fields}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    names = ((str, "string"), (Mapping, "object"), (list, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _is_quantity(info: inspect.Type) -> bool:
    return isinstance(info, inspect.Metadata) and (info.extra or {}).get("kube") == "quantity"


def _zero(info: inspect.Type) -> object:
    """What ``null`` means inside a list or map: Go's zero value."""
    if isinstance(info, inspect.Metadata):
        return "0" if _is_quantity(info) else _zero(info.type)
    if isinstance(info, inspect.StructType | inspect.DictType):
        return {}
    if isinstance(info, inspect.StrType):
        return ""
    return 0 if isinstance(info, inspect.IntType) else None


def _walk(info: inspect.Type, value: object, path: str, errors: _Faults) -> object:
    """The value as ``info`` wants it; what does not fit goes to ``errors`` and is dropped."""
    if value is None:
        return _DROP
    if _is_quantity(info):
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            errors.append(f"{path}: expected quantity, got {_kind(value)}")
            return _DROP
        return value if isinstance(value, str) else f"{value!r}"
    if isinstance(info, inspect.Metadata):
        return _walk(info.type, value, path, errors)
    if isinstance(info, inspect.UnionType):
        return _walk_union(info, value, path, errors)
    if isinstance(info, inspect.StructType):
        return _walk_struct(info, value, path, errors)
    if isinstance(info, inspect.ListType):
        if not isinstance(value, list):
            errors.append(f"{path}: expected array, got {_kind(value)}")
            return _DROP
        items = ((_walk(info.item_type, item, f"{path}[{i}]", errors)) for i, item in enumerate(value))
        return [_zero(info.item_type) if item is _DROP else item for item in items]
    if isinstance(info, inspect.DictType):
        if not isinstance(value, Mapping):
            errors.append(f"{path}: expected object, got {_kind(value)}")
            return _DROP
        pairs = ((key, _walk(info.value_type, item, f"{path}[{key}]", errors)) for key, item in value.items())
        return {key: _zero(info.value_type) if item is _DROP else item for key, item in pairs}
    return _walk_scalar(info, value, path, errors)


def _walk_union(info: inspect.UnionType, value: object, path: str, errors: _Faults) -> object:
    kinds = [t for t in info.types if not isinstance(t, inspect.NoneType)]
    if len(kinds) == 1:
        return _walk(kinds[0], value, path, errors)
    if isinstance(value, bool) or not isinstance(value, int | str):
        errors.append(f"{path}: expected integer or string, got {_kind(value)}")
        return _DROP
    return value


def _walk_struct(info: inspect.StructType, value: object, path: str, errors: _Faults) -> object:
    if not isinstance(value, Mapping):
        errors.append(f"{path or info.cls.__name__}: expected object, got {_kind(value)}")
        return _DROP
    fields = _fields(info.cls)
    result: dict[str, object] = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        field = fields.get(key)
        if field is None:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.6)
            hint = f' (did you mean "{near[0]}"?)' if near else ""
            errors.unknown.append(f'unknown field "{where}"{hint}')
            continue
        found = _walk(field.type, item, where, errors)
        if found is not _DROP:
            result[key] = found
    return result


def _walk_scalar(info: inspect.Type, value: object, path: str, errors: _Faults) -> object:
    if isinstance(info, inspect.StrType):
        if isinstance(value, str):
            return value
        hint = f" (put it in quotes: {json.dumps(str(value).lower())})" if isinstance(value, bool | int | float) else ""
        errors.append(f"{path}: expected string, got {_kind(value)}{hint}")
        return _DROP
    if isinstance(info, inspect.BoolType):
        if not isinstance(value, bool):
            errors.append(f"{path}: expected boolean, got {_kind(value)}")
            return _DROP
        return value
    if isinstance(info, inspect.IntType):
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            errors.append(f"{path}: expected integer, got {_kind(value)}")
            return _DROP
        if (info.ge is not None and value < info.ge) or (info.le is not None and value > info.le):
            size = "int32" if info.le == 2**31 - 1 else "int64"
            errors.append(f"{path}: number {value} is out of the range of {size}")
            return _DROP
    return value
