"""From a TOML file to a :class:`~pyrt.config.Config`, or to one error that names file, key and what was expected."""

from __future__ import annotations

import difflib
import functools
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pyrt.config.errors import ConfigError
from pyrt.config.location import DEFAULT_CONFIG_FILE, config_file
from pyrt.config.schema import Config, decode_scalar
from pyrt.config.section import Bytes, Section


def load_config(explicit: str | Path | None = None) -> Config:
    """Read ``--config``, ``$PYRT_CONFIG`` or ``/etc/pyrt/config.toml``; only the last may be missing.

    Raises :class:`ConfigError`.
    """
    path = config_file(str(explicit) if explicit is not None else None)
    try:
        with open(path, "rb") as stream:
            text = stream.read().decode()
    except FileNotFoundError as error:
        if path == DEFAULT_CONFIG_FILE:
            return default_config()
        raise ConfigError(file=path, errno=error.errno) from error
    except OSError as error:
        raise ConfigError(file=path, errno=error.errno) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", file=path) from error
    return parse_config(text, path)


def default_config() -> Config:
    """What an empty file means."""
    return Config()


def parse_config(text: str, file: str = "(text)") -> Config:
    """The configuration written in ``text``; ``file`` is named in errors. Raises :class:`ConfigError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", file=file) from error
    return _section(Config, document, "", file)


@functools.cache
def _types(section: type[Section]) -> dict[str, Any]:
    hints = typing.get_type_hints(section)
    return {name: hints[name] for name in section.__struct_fields__}


_SectionT = typing.TypeVar("_SectionT", bound=Section)


def _section(section: type[_SectionT], table: object, prefix: str, file: str) -> _SectionT:
    # Field by field rather than one msgspec.convert of the document: its error paths leave out the keys of maps, and
    # "images.mirrors[...].url" does not tell which mirror is wrong.
    if not isinstance(table, dict):
        raise ConfigError("expected a table", file=file, key=prefix)
    types = _types(section)
    values = {}
    for key, value in table.items():
        dotted = _join(prefix, key)
        if key not in types:
            near = difflib.get_close_matches(key, types, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(types)}"
            raise ConfigError(f"unknown key; {hint}", file=file, key=dotted)
        values[key] = _value(types[key], value, dotted, file)
    try:
        return section(**values)
    except ValueError as error:
        key, _, expected = str(error).partition(": ")
        raise ConfigError(expected, file=file, key=_join(prefix, key) if section is not Config else key) from error


def _value(kind: Any, value: object, dotted: str, file: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Section):
        return _section(kind, value, dotted, file)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is dict and issubclass(arguments[1], Section):
        if not isinstance(value, dict):
            raise ConfigError("expected a table", file=file, key=dotted)
        return {key: _section(arguments[1], item, _join(dotted, key), file) for key, item in value.items()}
    try:
        return msgspec.convert(value, kind, strict=True, dec_hook=decode_scalar)
    except msgspec.ValidationError as error:
        raise ConfigError(_expected(kind, str(error)), file=file, key=dotted) from error


def _expected(kind: Any, message: str) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return f"expected one of {', '.join(typing.get_args(kind))}"
    return message[:1].lower() + message[1:].replace("`", "")


def _join(prefix: str, key: str) -> str:
    bare = key if key.replace("_", "").replace("-", "").isalnum() else f'"{key}"'
    return f"{prefix}.{bare}" if prefix else bare


def dump_config(config: Config) -> str:
    """The TOML text from which :func:`parse_config` makes ``config`` again, every key written out."""
    lines: list[str] = []
    _dump_table(config, "", lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _dump_table(table: Section | Mapping[str, object], name: str, lines: list[str]) -> None:
    items = (
        [(key, getattr(table, key)) for key in table.__struct_fields__] if isinstance(table, Section) else table.items()
    )
    nested = [(key, value) for key, value in items if isinstance(value, (Section, dict))]
    scalars = [(key, value) for key, value in items if not isinstance(value, (Section, dict)) and value is not None]
    if name and (scalars or not nested):
        lines += ["", f"[{name}]"]
    lines += [f"{_quote_key(key)} = {_dump_scalar(value)}" for key, value in scalars]
    for key, value in nested:
        if value or isinstance(value, Section):
            _dump_table(value, f"{name}.{_quote_key(key)}" if name else key, lines)


def _quote_key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isascii() and key.replace("_", "").isalnum() else _quote(key)


def _dump_scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Bytes):
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_dump_scalar(item) for item in value) + "]"
    return _quote(str(value))


def _quote(text: str) -> str:
    # A TOML basic string has JSON's escapes (toml.io, v1.0.0, String), except that DEL must be escaped too.
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
