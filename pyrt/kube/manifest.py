"""Manifests as text: YAML or JSON, several documents, into plain objects; typing them is :mod:`pyrt.kube.decode`'s.

YAML is read as kubectl reads it (sigs.k8s.io/yaml over go-yaml v2): ``yes``, ``on`` and ``y`` are booleans, ``0644`` is
octal, ``12:30`` is no sexagesimal number and dates stay text. Text is hostile: size, depth and what aliases expand to
are bounded, and a key that stands twice in a mapping is refused.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml._yaml import CParser

from pyrt.errors import PyrtError

MAX_BYTES = 10 * 1024 * 1024
"""A manifest of this size is refused."""

MAX_DEPTH = 200
"""Levels of nesting. The Pod type has 12."""

MAX_ALIASED_NODES = 100_000
"""How many nodes aliases may add to a document when they are written out."""

Object = dict[str, Any]


class ManifestError(PyrtError):
    """Text that is not YAML or JSON, or not a series of objects. The message is kubectl's, with the line."""


def load_documents(data: bytes | str) -> list[Object]:
    """The documents of a YAML or JSON text, empty ones left out.

    Raises
    ------
    ManifestError: too large, malformed, too deep, a key twice, excessive aliases, or a document that is no mapping.
    """
    documents = _documents(data)
    for index, document in enumerate(documents):
        if not isinstance(document, dict):
            where = f"document {index + 1}: " if len(documents) > 1 else ""
            raise ManifestError(f"{where}expected an object with apiVersion and kind, got {_kind(document)}")
    return documents


def load_value(data: bytes | str) -> Any:
    """The one value of a YAML or JSON text, of whatever kind: a patch may be a list. Raises :class:`ManifestError`."""
    values = _documents(data)
    if len(values) != 1:
        raise ManifestError(f"expected one document, got {len(values)}")
    return values[0]


def _documents(data: bytes | str) -> list[Any]:
    if len(data) >= MAX_BYTES:
        limit = f"{MAX_BYTES} bytes ({MAX_BYTES >> 20} MiB)"
        raise ManifestError(f"the manifest has {len(data)} bytes, but must be smaller than {limit}")
    try:
        text = data.decode() if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1 if isinstance(data, bytes) else 0
        raise ManifestError(f"error converting YAML to JSON: yaml: line {line}: invalid UTF-8") from error
    text = text.removeprefix("\ufeff")
    return list(_json_documents(text) if text.lstrip()[:1] == "{" and _looks_like_json(text) else _yaml(text))


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return f"{value!r}"


# --- JSON -------------------------------------------------------------------------------------------------------------


def _looks_like_json(text: str) -> bool:
    """Whether a text that begins with a brace is JSON; a YAML flow mapping may have keys without quotes.

    JSON objects between lines ``---`` are YAML documents.
    """
    return re.match(r'\s*\{\s*("|\}\s*$)', text) is not None and re.search(r"^---", text, re.MULTILINE) is None


def _unique(pairs: list[tuple[str, Any]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ManifestError(f'duplicate field "{key}"')
            seen.add(key)
    return found


def _refuse_constant(name: str) -> Any:
    raise ManifestError(f"invalid JSON number {name}")


def _json_documents(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
    at, end = 0, len(text)
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise ManifestError(f"invalid JSON: line {error.lineno} column {error.colno}: {error.msg}") from error
        except RecursionError as error:
            raise ManifestError("invalid JSON: exceeded max depth") from error
        yield document


# --- YAML -------------------------------------------------------------------------------------------------------------

_BOOLEANS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))")
_TAG = "tag:yaml.org,2002:"
_RESOLVED = frozenset(_TAG + name for name in ("bool", "int", "float", "null", "timestamp"))


def _bad(event: yaml.Event, problem: str) -> ManifestError:
    line = event.start_mark.line + 1 if event.start_mark is not None else 0
    return ManifestError(f"error converting YAML to JSON: yaml: line {line}: {problem}")


def _number(text: str) -> int | float | None:
    """The number that go-yaml v2 reads, or ``None`` if the text is none."""
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        sign, digits = (-1 if plain[0] == "-" else 1), plain.lstrip("+-").lower()
        base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 0)
        if base:
            value = sign * int(digits[2:], base)
        else:
            value = sign * int(digits, 8 if digits[0] == "0" and len(digits) > 1 else 10)
        return value if -(2**63) <= value < 2**64 else float(value)
    return float(plain) if _FLOAT.fullmatch(plain) and len(plain) < 400 else None


def _scalar(event: yaml.ScalarEvent) -> Any:
    """The value of a scalar: plain ones are what they look like, quoted ones text, tagged ones what the tag says."""
    text, tag = event.value, event.tag
    if tag is None and event.style:
        return text
    if tag is not None:
        if tag in ("!", _TAG + "str", _TAG + "timestamp"):
            return text
        if tag not in _RESOLVED:
            raise _bad(event, f"the tag {tag} is not supported")
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] in "+-.0123456789":
        if _SPECIAL.fullmatch(text):
            raise _bad(event, f"{text} has no form in JSON")
        value = _number(text)
        if value is not None:
            return value
    if tag is not None:
        raise _bad(event, f"cannot decode `{text}` as a {tag.removeprefix(_TAG)}")
    return text


def _key(value: object, event: yaml.Event) -> str:
    """A mapping's key as JSON has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return str(value)
    raise _bad(event, "invalid map key")


class _Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "event", "items", "key", "mapping", "merges", "start")

    def __init__(self, event: yaml.CollectionStartEvent, start: int) -> None:
        self.event, self.anchor, self.start = event, event.anchor, start
        self.items: list[Any] = []
        self.mapping: Object | None = {} if isinstance(event, yaml.MappingStartEvent) else None
        self.key: str | None = None
        self.merges: list[Any] = []

    def add(self, value: Any, event: yaml.Event) -> None:
        if self.mapping is None:
            self.items.append(value)
        elif self.key is None:
            self.key = _key(value, event)
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style:
                self.key = "<<"
            elif self.key in self.mapping:
                raise _bad(event, f'key "{self.key}" already set in map')
        elif self.key == "<<":
            self.merges.append((value, event))
            self.key = None
        else:
            self.mapping[self.key] = value
            self.key = None

    def value(self) -> Any:
        """The finished collection. Merged keys (``<<``) do not override written ones; earlier sources win."""
        if self.mapping is None:
            return self.items
        for merge, event in self.merges:
            for source in merge if isinstance(merge, list) else [merge]:
                if not isinstance(source, dict):
                    raise _bad(event, "map merge requires map or sequence of maps as the value")
                for key, value in source.items():
                    self.mapping.setdefault(key, value)
        return self.mapping


class _Builder:
    """Turns the parser's events into one document, without recursion."""

    def __init__(self) -> None:
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._nodes = 0
        self._aliased = 0
        self.document: Any = None

    def feed(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._nodes += 1
            self._add(_scalar(event), event, event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._stack) >= MAX_DEPTH:
                raise _bad(event, f"exceeded max depth of {MAX_DEPTH}")
            if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
                raise _bad(event, f"the tag {event.tag} is not supported")
            self._nodes += 1
            self._stack.append(_Frame(event, self._nodes + self._aliased))
            if event.anchor is not None:
                self._open.add(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._stack.pop()
            if frame.anchor is not None:
                self._open.discard(frame.anchor)
            self._add(frame.value(), frame.event, frame.anchor, self._nodes + self._aliased - frame.start + 1)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor in self._open:
            raise _bad(event, f"anchor '{event.anchor}' value contains itself")
        if event.anchor not in self._anchors:
            raise _bad(event, f"unknown anchor '{event.anchor}' referenced")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED_NODES:
            raise _bad(event, "document contains excessive aliasing")
        self._add(copy.deepcopy(value), event, None, size)

    def _add(self, value: Any, event: yaml.Event, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if self._stack:
            self._stack[-1].add(value, event)
        else:
            self.document = value


def _yaml(text: str) -> Iterator[Any]:
    parser = CParser(text)
    builder = _Builder()
    try:
        while parser.check_event():
            event = parser.get_event()
            assert event is not None
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder()
            elif isinstance(event, yaml.DocumentEndEvent):
                if builder.document is not None:
                    yield builder.document
            else:
                builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise ManifestError(f"error converting YAML to JSON: yaml: {line}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"error converting YAML to JSON: yaml: {' '.join(str(error).split())}") from error
    finally:
        parser.dispose()
