"""JSON without the package ``json``, whose import takes longer than most commands: its C parts alone."""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner

from pyrt.records import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class _Context:
    """What the scanner asks for (json.decoder.JSONDecoder has the same names)."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = None
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own


_scan = make_scanner(_Context())  # type: ignore[arg-type]


def loads(text: str) -> Any:
    """Read one value. Raises ValueError."""
    text = text.strip(" \t\r\n")
    try:
        value, end = _scan(text, 0)
    except StopIteration as e:
        raise ValueError(f"no JSON value at character {e.value}") from None
    except SystemError:
        # It looks for json.decoder's exception among the modules that are there, and has none to raise.
        import json

        return json.loads(text)
    if end != len(text):
        raise ValueError(f"more after the JSON value at character {end}")
    return value


def dumps(value: Any, indent: str = "") -> str:
    """Write a value of dicts, lists, strings, numbers, booleans and ``None``; ``indent`` for people."""
    return _write(value, indent, "\n")


def _write(value: Any, indent: str, newline: str) -> str:
    if isinstance(value, str):
        return str(encode_basestring_ascii(value))
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    inner = newline + indent
    between = f",{inner}" if indent else ","
    if isinstance(value, dict):
        colon = ": " if indent else ":"
        items = [f"{encode_basestring_ascii(str(k))}{colon}{_write(v, indent, inner)}" for k, v in value.items()]
        brackets = "{}"
    else:
        items = [_write(item, indent, inner) for item in value]
        brackets = "[]"
    if not items:
        return brackets
    start, end = (inner, newline) if indent else ("", "")
    return f"{brackets[0]}{start}{between.join(items)}{end}{brackets[1]}"
