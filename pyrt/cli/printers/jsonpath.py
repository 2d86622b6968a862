"""Kubernetes' JSONPath templates, the part that people use.

``{.spec.nodeName}``, ``{.items[*].metadata.name}``, ``[0]``, ``[-1]``, ``[0:2]``, ``['key']``, ``..name``, ``.*``,
``[?(@.type=="Ready")]`` with ``== != < <= > >=`` and bare existence, ``{range}``...``{end}``, quoted text,
and escapes: a newline, a tab, a dot in a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from pyrt.cli.failure import CliError

Step = Callable[[Any, Any], Iterator[Any]]
"""(value, root) -> values."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<recurse>\.\.) | (?P<wild>\.?\*) | \.?\[\?\((?P<filter>.*?)\)\] | \.?\[(?P<index>[^\[\]]*)\]
        | (?:\.|\A|(?<=\.\.))(?P<key>(?:\\.|[^.\[\]\\\s{}()@$'"=<>!*?,~|&])+)
    )""",
    re.VERBOSE,
)
_STRING = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)')\s*""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def render(template: str, root: Any) -> str:
    """The text of a whole template. Raises :class:`CliError` for one that cannot be read."""
    return "".join(_render(_pieces(relaxed(template)), root, root))


def find(expression: str, root: Any) -> list[Any]:
    """The values that one expression (with or without its braces) selects."""
    return list(_evaluate(relaxed(expression).removeprefix("{").removesuffix("}"), root, root))


def relaxed(expression: str) -> str:
    """Accept ``.a.b`` and ``a.b`` for ``{.a.b}``, as kubectl does."""
    return (
        expression if "{" in expression else "{" + (expression if expression[:1] in ".[@$" else f".{expression}") + "}"
    )


def _pieces(template: str) -> list[tuple[bool, str]]:
    """(is an expression, text). A brace inside quotes does not end an expression."""
    pieces: list[tuple[bool, str]] = []
    position = 0
    for match in re.finditer(r"""\{((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^{}"'])*)\}""", template):
        if match.start() > position:
            pieces.append((False, template[position : match.start()]))
        pieces.append((True, match[1].strip()))
        position = match.end()
    if position < len(template):
        pieces.append((False, template[position:]))
    if any(not code and "{" in text for code, text in pieces):
        raise CliError(f"error parsing jsonpath {template}, unclosed action")
    return pieces


def _render(pieces: list[tuple[bool, str]], value: Any, root: Any) -> Iterator[str]:
    index = 0
    while index < len(pieces):
        is_code, text = pieces[index]
        index += 1
        if not is_code:
            yield text
        elif text.startswith("range"):
            end = _matching_end(pieces, index)
            for item in _evaluate(text[5:].strip(), value, root):
                yield from _render(pieces[index:end], item, root)
            index = end + 1
        elif text == "end":
            raise CliError("not in range, nothing to end")
        elif literal := _STRING.fullmatch(text):
            yield _unescape(literal[1] if literal[1] is not None else literal[2])
        else:
            yield " ".join(_text(item) for item in _evaluate(text, value, root))


def _matching_end(pieces: list[tuple[bool, str]], start: int) -> int:
    depth = 1
    for index in range(start, len(pieces)):
        if pieces[index][0]:
            depth += pieces[index][1].startswith("range") - (pieces[index][1] == "end")
        if depth == 0:
            return index
    raise CliError("unterminated range in jsonpath")


def _evaluate(expression: str, value: Any, root: Any) -> Iterator[Any]:
    start, rest = value, expression.strip()
    if rest.startswith("$"):
        start, rest = root, rest[1:]
    elif rest.startswith("@"):
        rest = rest[1:]
    values = [start]
    position = 0
    if rest == ".":
        rest = ""
    while position < len(rest):
        match = _TOKEN.match(rest, position)
        if match is None or match.end() == position:
            raise CliError(f"error parsing jsonpath {{{expression}}}: unexpected {rest[position:]!r}")
        position = match.end()
        values = [found for item in values for found in _step(match, item, root)]
    yield from values


def _step(match: re.Match[str], value: Any, root: Any) -> Iterator[Any]:
    if match["recurse"]:
        yield from _descend(value)
    elif match["wild"]:
        yield from _children(value)
    elif match["filter"] is not None:
        for item in value if isinstance(value, list) else []:
            if _holds(match["filter"], item, root):
                yield item
    elif match["index"] is not None:
        yield from _index(match["index"].strip(), value)
    else:
        key = re.sub(r"\\(.)", r"\1", match["key"])
        if isinstance(value, dict) and key in value:
            yield value[key]


def _index(text: str, value: Any) -> Iterator[Any]:
    if text == "*":
        yield from _children(value)
    elif literal := _STRING.fullmatch(text):
        key = literal[1] if literal[1] is not None else literal[2]
        if isinstance(value, dict) and key in value:
            yield value[key]
    elif isinstance(value, list) and ":" in text:
        yield from value[slice(*(int(part) if part.strip() else None for part in text.split(":")))]
    elif isinstance(value, list):
        for part in text.split(","):
            try:
                yield value[int(part)]
            except IndexError:
                raise CliError(f"array index out of bounds: index {part.strip()}, length {len(value)}") from None
            except ValueError:
                raise CliError(f"invalid array index {part.strip()}") from None


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _holds(condition: str, item: Any, root: Any) -> bool:
    match = re.fullmatch(r"(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)", condition)
    if match is None:
        return bool(list(_evaluate(condition, item, root)))
    left, right = _operand(match[1], item, root), _operand(match[3], item, root)
    try:
        return left is not None and _COMPARE[match[2]](left, right)
    except TypeError:
        return False


def _operand(text: str, item: Any, root: Any) -> Any:
    if literal := _STRING.fullmatch(text):
        return _unescape(literal[1] if literal[1] is not None else literal[2])
    if text.strip()[:1] in {"@", "$"}:
        return next(_evaluate(text, item, root), None)
    try:
        return json.loads(text)
    except ValueError:
        raise CliError(f"error parsing jsonpath: cannot compare with {text}") from None


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
