"""The runtime-spec's structures without msgspec: slower at work, and there at once.

A program that reads one configuration and ends spends less on reading it in Python than on importing what would read
it faster. The definitions are those of :mod:`pyrt.spec`, whose annotations are read when a structure is first decoded.
"""

from __future__ import annotations

import sys

from pyrt import quickjson, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class RefusedError(Exception):
    """What is wrong, and where."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Small:
    """A structure: fields by name, with defaults."""

    _record_: dict[str, Any]
    _compared_: tuple[str, ...]
    _made_: list[int]
    _readers: dict[str, tuple[str, Any]] | None = None
    """JSON's name -> the field's, and its annotation or what that has been made into."""
    _rename: Callable[[str], str]

    def __init_subclass__(cls, rename: Callable[[str], str] | None = None, **_options: object) -> None:
        if rename is not None:
            cls._rename = staticmethod(rename)
        fields = {}
        for name in cls.__dict__.get("__annotations__", {}):  # noqa: RUF063 - inspect is what must not be imported
            default = cls.__dict__.get(name, records.MISSING)
            fields[name] = default if isinstance(default, records.Default) else records.Default(default=default)
        cls._record_ = fields
        cls._compared_ = tuple(fields)
        cls._made_ = [0]
        cls._readers = None

    __init__ = records.initialize
    __eq__ = records.equal
    __hash__ = records.hash_of
    __repr__ = records.show


def replace(value: Any, **changes: Any) -> Any:
    """The same with some fields changed."""
    return type(value)(**{**{name: getattr(value, name) for name in value._record_}, **changes})


def decode(data: bytes, kind: type[Small]) -> Any:
    """Read JSON. Raises :class:`RefusedError`."""
    try:
        value = quickjson.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as e:
        raise RefusedError(f"not JSON: {e}") from None
    return _structure(kind)(value, "")


def encode(value: Any) -> bytes:
    """The JSON, without what has its default."""
    return quickjson.dumps(_plain(value)).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Small):
        found = {}
        for name, default in value._record_.items():
            item = getattr(value, name)
            if default.default is not records.MISSING:
                usual = default.default
            elif default.default_factory is not records.MISSING:
                usual = default.default_factory()
            else:
                usual = records.MISSING
            if item != usual:
                found[type(value)._rename(name)] = _plain(item)
        return found
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _kind_of(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def _expect(kind: type, name: str) -> Callable[[Any, str], Any]:
    def read(value: Any, path: str) -> Any:
        if type(value) is not kind:
            raise RefusedError(f"Expected `{name}`, got `{_kind_of(value)}`", path)
        return value

    return read


def _unsigned(limit: int) -> Callable[[Any, str], Any]:
    def read(value: Any, path: str) -> Any:
        if type(value) is not int:
            raise RefusedError(f"Expected `int`, got `{_kind_of(value)}`", path)
        if not 0 <= value <= limit:
            raise RefusedError("Expected `int` >= 0" if value < 0 else f"Expected `int` <= {limit}", path)
        return value

    return read


_SIMPLE = {
    "str": _expect(str, "str"),
    "int": _expect(int, "int"),
    "bool": _expect(bool, "bool"),
    "Uint32": _unsigned(0xFFFFFFFF),
    "Uint64": _unsigned(sys.maxsize * 2 + 1),
}


def _reader(annotation: str, module: str) -> Callable[[Any, str], Any]:
    annotation = annotation.removesuffix(" | None")
    simple = _SIMPLE.get(annotation)
    if simple is not None:
        return simple
    if annotation.startswith("tuple["):
        return _array(_reader(annotation[6:-1].removesuffix(", ..."), module))
    if annotation.startswith("dict[str, "):
        return _object(_reader(annotation[10:-1], module))
    return _structure(getattr(sys.modules[module], annotation))


def _array(item: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, path: str) -> Any:
        if type(value) is not list:
            raise RefusedError(f"Expected `array`, got `{_kind_of(value)}`", path)
        return tuple([item(one, f"{path}[{index}]") for index, one in enumerate(value) if one is not None])

    return read


def _object(item: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise RefusedError(f"Expected `object`, got `{_kind_of(value)}`", path)
        return {key: item(one, f"{path}[...]") for key, one in value.items() if one is not None}

    return read


def _structure(kind: type[Small]) -> Callable[[Any, str], Any]:
    def read(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise RefusedError(f"Expected `object`, got `{_kind_of(value)}`", path)
        readers = kind._readers
        if readers is None:
            rename, notes = kind._rename, kind.__dict__["__annotations__"]  # noqa: RUF063
            readers = {rename(name): (name, notes[name]) for name in notes}
            kind._readers = readers
        given = {}
        for key, one in value.items():
            known = readers.get(key)
            if known is None or one is None:
                continue
            name, reader = known
            if type(reader) is str:
                reader = _reader(reader, kind.__module__)
                readers[key] = (name, reader)
            given[name] = reader(one, f"{path}.{key}" if path else key)
        for name, default in kind._record_.items():
            if name not in given and default.default is records.MISSING is default.default_factory:
                raise RefusedError(f"Object missing required field `{kind._rename(name)}`", path)
        return kind(**given)

    return read
