"""Templates in the language of Go's text/template, as far as configurations of networks use it (pure).

``{{.Field}}``, ``{{.}}``, ``{{$name}}``, ``{{range .List}}``, ``{{range $i, $x := .List}}``, ``{{if ...}}``,
``{{else}}``, ``{{else if ...}}``, ``{{end}}``, comments, and ``{{-``, ``-}}`` that trim. Whatever else Go has is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = "str | int | Sequence[Value] | Mapping[str, Value]"

_ACTION: Final = re.compile(r"\{\{(?P<before>-(?=\s))?(?P<body>.*?)(?P<after>(?<=\s)-)?\}\}", re.DOTALL)
_COMMENT: Final = re.compile(r"/\*.*\*/", re.DOTALL)
_PATH: Final = re.compile(r"(\$[A-Za-z_]\w*|\$)?((?:\.[A-Za-z_]\w*)+|\.)?")
_RANGE: Final = re.compile(r"(?:(?:(\$[A-Za-z_]\w*)\s*,\s*)?(\$[A-Za-z_]\w*)\s*:=\s*)?(\S+)")


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class _Print:
    path: str


@dataclass(frozen=True, slots=True)
class _If:
    path: str
    body: tuple[_Node, ...]
    otherwise: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Range:
    index: str
    item: str
    path: str
    body: tuple[_Node, ...]
    otherwise: tuple[_Node, ...]


_Node: TypeAlias = "_Text | _Print | _If | _Range"
_Token: TypeAlias = "tuple[bool, str]"
"""Whether it is an action, and its text."""


def render(template: str, data: Mapping[str, Value]) -> str:
    """The template filled in. Raises ValueError, which names the action that is not understood."""
    tokens = list(_tokens(template))
    tokens.reverse()
    nodes, end = _parse(tokens, inside=False)
    assert end is None
    return "".join(_render(nodes, data, {"$": data}))


def _tokens(template: str) -> Iterator[_Token]:
    position, trim = 0, False
    for match in _ACTION.finditer(template):
        text = template[position : match.start()]
        text = text.lstrip() if trim else text
        yield False, text.rstrip() if match["before"] else text
        body = match["body"].strip()
        if not _COMMENT.fullmatch(body):
            yield True, body
        position, trim = match.end(), match["after"] is not None
    rest = template[position:]
    if "{{" in rest:
        raise ValueError("an action does not end: {{" + rest.partition("{{")[2][:40])
    yield False, rest.lstrip() if trim else rest


def _parse(tokens: list[_Token], *, inside: bool) -> tuple[tuple[_Node, ...], str | None]:
    """Up to the end of a block, and what ended it: ``end``, ``else``, ``else if PATH``."""
    nodes: list[_Node] = []
    while tokens:
        is_action, text = tokens.pop()
        if not is_action:
            nodes.append(_Text(text))
            continue
        word, _, rest = text.partition(" ")
        if word in ("end", "else"):
            if not inside:
                raise ValueError(f"{{{{{text}}}}} without a beginning")
            return tuple(nodes), text
        if word == "if":
            nodes.append(_parse_if(tokens, rest))
        elif word == "range":
            match = _RANGE.fullmatch(rest.strip())
            if match is None:
                raise ValueError(f"{{{{{text}}}}} is not understood")
            body, otherwise = _blocks(tokens)
            nodes.append(_Range(match[1] or "", match[2] or "", _path(match[3]), body, otherwise))
        else:
            nodes.append(_Print(_path(text)))
    if inside:
        raise ValueError("expected {{end}}")
    return tuple(nodes), None


def _parse_if(tokens: list[_Token], condition: str) -> _If:
    path = _path(condition.strip())
    body, end = _parse(tokens, inside=True)
    if end == "end":
        return _If(path, body, ())
    assert end is not None
    rest = end.removeprefix("else").strip()
    if rest.startswith("if "):
        return _If(path, body, (_parse_if(tokens, rest.removeprefix("if ")),))
    return _If(path, body, _last_block(tokens, rest))


def _blocks(tokens: list[_Token]) -> tuple[tuple[_Node, ...], tuple[_Node, ...]]:
    body, end = _parse(tokens, inside=True)
    assert end is not None
    return body, () if end == "end" else _last_block(tokens, end.removeprefix("else").strip())


def _last_block(tokens: list[_Token], rest: str) -> tuple[_Node, ...]:
    if rest:
        raise ValueError(f"{{{{else {rest}}}}} is not understood")
    otherwise, end = _parse(tokens, inside=True)
    if end != "end":
        raise ValueError("expected {{end}} after {{else}}")
    return otherwise


def _path(text: str) -> str:
    if not text or not _PATH.fullmatch(text):
        raise ValueError(f"{{{{{text}}}}} is not understood")
    return text


def _render(nodes: tuple[_Node, ...], dot: Value, names: Mapping[str, Value]) -> Iterator[str]:
    for node in nodes:
        match node:
            case _Text(text):
                yield text
            case _Print(path):
                value = _evaluate(path, dot, names)
                if not isinstance(value, str | int):
                    raise ValueError(f"{{{{{path}}}}} is a list; expected {{{{range}}}}")
                yield str(value)
            case _If(path, body, otherwise):
                yield from _render(body if _evaluate(path, dot, names) else otherwise, dot, names)
            case _Range(index, item, path, body, otherwise):
                values = _evaluate(path, dot, names)
                if isinstance(values, str | int | Mapping):
                    raise ValueError(f"{{{{range {path}}}}}: expected a list")
                for number, value in enumerate(values):
                    inner = {**names, **({index: number} if index else {}), **({item: value} if item else {})}
                    yield from _render(body, value, inner)
                if not values:
                    yield from _render(otherwise, dot, names)


def _evaluate(path: str, dot: Value, names: Mapping[str, Value]) -> Value:
    name, _, rest = path.partition(".")
    value = dot
    if name:
        if name not in names:
            raise ValueError(f"there is no {name}")
        value = names[name]
    for field in filter(None, rest.split(".")):
        if not isinstance(value, Mapping) or field not in value:
            raise ValueError(f"there is no {path}")
        value = value[field]
    return value
