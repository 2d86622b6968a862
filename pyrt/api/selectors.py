"""Label selectors and field selectors, parsed into predicates.

Grammar and errors as apimachinery's ``labels.Parse`` and ``fields.ParseSelector``: ``a=b,c!=d,e in (x,y),f notin
(z),g,!h,i>3`` for labels; ``a=b,c==d,e!=f`` for fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pyrt.api.errors import bad_request

_KEY: Final = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_TOKEN: Final = re.compile(r"\s*(==|!=|=|,|\(|\)|!|<|>|[^\s=!,()<>]+)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One clause of a label selector."""

    key: str
    operator: str
    """``=``, ``!=``, ``in``, ``notin``, ``exists``, ``!``, ``>`` or ``<``."""
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "=" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
        try:
            number, bound = int(value or ""), int(self.values[0])
        except ValueError:
            return False
        return number > bound if self.operator == ">" else number < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements have to hold; none selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected."""
        return all(requirement.matches(labels or {}) for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """``field=value`` or ``field!=value``."""

    field: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms have to hold; none selects everything."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, field_of: Callable[[str], str]) -> bool:
        """Whether an object whose fields are read with ``field_of`` is selected."""
        return all((field_of(term.field) == term.value) != term.negated for term in self.terms)

    def required(self, field: str) -> str | None:
        """The one value that ``field`` must have, if the selector pins it."""
        return next((term.value for term in self.terms if term.field == field and not term.negated), None)


def parse_labels(text: str) -> LabelSelector:
    """Parse a label selector.

    Raises
    ------
    ApiError: 400, with the place that cannot be understood.
    """
    tokens = list(_tokens(text))
    requirements: list[Requirement] = []
    at = 0
    while at < len(tokens):
        requirement, at = _requirement(text, tokens, at)
        requirements.append(requirement)
        if at == len(tokens):
            break
        if tokens[at] != ",":
            raise _unparsable(text, f"found '{tokens[at]}', expected: ',' or 'end of string'")
        at += 1
        if at == len(tokens):
            raise _unparsable(text, "found '', expected: identifier after ','")
    return LabelSelector(tuple(requirements))


def _tokens(text: str) -> Iterator[str]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:  # pragma: no cover - every character belongs to some token
            raise _unparsable(text, f"unexpected character at {at}")
        yield match.group(1)
        at = match.end()


def _requirement(text: str, tokens: list[str], at: int) -> tuple[Requirement, int]:
    def token(index: int) -> str:
        return tokens[index] if index < len(tokens) else ""

    if token(at) == "!":
        return Requirement(_key(text, token(at + 1)), "!"), at + 2
    key, operator = _key(text, token(at)), token(at + 1)
    if operator in ("", ","):
        return Requirement(key, "exists"), at + 1
    if operator in ("in", "notin"):
        if token(at + 2) != "(":
            raise _unparsable(text, f"found '{token(at + 2)}', expected: '('")
        values: list[str] = []
        at += 3
        expect_value = True
        while token(at) != ")":
            if not token(at):
                raise _unparsable(text, "found '', expected: ',', or ')'")
            if token(at) == ",":
                if expect_value:
                    values.append("")
                expect_value = True
            else:
                values.append(_value(text, token(at)))
                expect_value = False
            at += 1
        if expect_value:
            values.append("")
        return Requirement(key, operator, tuple(values)), at + 1
    if operator not in ("=", "==", "!=", "<", ">"):
        raise _unparsable(text, f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
    raw = token(at + 2)
    value, after = ("", at + 2) if raw in ("", ",") else (_value(text, raw), at + 3)
    if operator in "<>" and not re.fullmatch(r"-?\d+", value):
        raise _unparsable(text, f"for 'Gt', 'Lt' operators, the value must be an integer, got \"{value}\"")
    return Requirement(key, "=" if operator == "==" else operator, (value,)), after


def _key(text: str, token: str) -> str:
    name = token.rpartition("/")[2]
    if not _KEY.fullmatch(token) or len(name) > 63 or len(token) > 317:
        raise _unparsable(text, f"invalid label key {token!r}")
    return token


def _value(text: str, token: str) -> str:
    if not _VALUE.fullmatch(token):
        raise _unparsable(text, f"invalid label value {token!r}")
    return token


def _unparsable(text: str, why: str) -> Exception:
    return bad_request(f"unable to parse requirement: {why} (in {text!r})")


def parse_fields(text: str, supported: frozenset[str], kind: str) -> FieldSelector:
    r"""Parse a field selector; only the ``supported`` names may be asked for. A backslash escapes ``\ , =``.

    Raises
    ------
    ApiError: 400, ``field label not supported: spec.foo``.
    """
    terms: list[FieldTerm] = []
    for part in _split_unescaped(text):
        if not part:
            continue
        match = re.match(r"([^=!]+?)(==|!=|=)(.*)", part, re.DOTALL)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = match.groups()
        if field not in supported:
            raise bad_request(
                f'Unable to find "{kind}" that match field selector "{text}": field label not supported: {field}'
            )
        terms.append(FieldTerm(field, re.sub(r"\\(.)", r"\1", value), operator == "!="))
    return FieldSelector(tuple(terms))


def _split_unescaped(text: str) -> Iterator[str]:
    yield from re.findall(r"(?:[^\\,]|\\.)+", text)
