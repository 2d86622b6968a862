"""Validation errors in the API server's words (``apimachinery/pkg/util/validation/field``).

A :class:`FieldError` names a field by its path, what is wrong (the ``reason`` of a Status cause) and the value at
fault.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from pyrt.errors import PyrtError


class ErrorType(enum.Enum):
    """The kinds of error: name, reason in a Status cause, and the words of the message."""

    NOT_FOUND = ("FieldValueNotFound", "Not found")
    REQUIRED = ("FieldValueRequired", "Required value")
    DUPLICATE = ("FieldValueDuplicate", "Duplicate value")
    INVALID = ("FieldValueInvalid", "Invalid value")
    NOT_SUPPORTED = ("FieldValueNotSupported", "Unsupported value")
    FORBIDDEN = ("FieldValueForbidden", "Forbidden")
    TOO_LONG = ("FieldValueTooLong", "Too long")
    TOO_MANY = ("FieldValueTooMany", "Too many")

    @property
    def reason(self) -> str:
        """``FieldValueRequired``: the ``reason`` of a Status cause."""
        return self.value[0]

    @property
    def words(self) -> str:
        """``Required value``."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong. ``str()`` gives the path and the message."""

    type: ErrorType
    field: str
    message: str
    """Without the path: ``Invalid value: "x": must be ...``, the ``message`` of a Status cause."""

    @property
    def reason(self) -> str:
        """The ``reason`` of a Status cause."""
        return self.type.reason

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return msgspec.json.encode(value).decode()


def _error(kind: ErrorType, path: str, value: object, detail: str) -> FieldError:
    message = f"{kind.words}: {_text(value)}"
    return FieldError(kind, path, f"{message}: {detail}" if detail else message)


def _bare(kind: ErrorType, path: str, detail: str) -> FieldError:
    return FieldError(kind, path, f"{kind.words}: {detail}" if detail else kind.words)


def required(path: str, detail: str = "") -> FieldError:
    """The field is missing."""
    return _bare(ErrorType.REQUIRED, path, detail)


def invalid(path: str, value: object, detail: str) -> FieldError:
    """The value breaks a rule."""
    return _error(ErrorType.INVALID, path, value, detail)


def not_supported(path: str, value: object, supported: Sequence[str]) -> FieldError:
    """The value is none of a closed list."""
    quoted = ", ".join(_text(item) for item in supported)
    return _error(ErrorType.NOT_SUPPORTED, path, value, f"supported values: {quoted}")


def forbidden(path: str, detail: str) -> FieldError:
    """The field may not be set here."""
    return _bare(ErrorType.FORBIDDEN, path, detail)


def duplicate(path: str, value: object) -> FieldError:
    """The value stands elsewhere already."""
    return _error(ErrorType.DUPLICATE, path, value, "")


def not_found(path: str, value: object) -> FieldError:
    """The value refers to nothing."""
    return _error(ErrorType.NOT_FOUND, path, value, "")


def too_long(path: str, most: int) -> FieldError:
    """The value has more than ``most`` bytes."""
    return _bare(ErrorType.TOO_LONG, path, f"may not be more than {most} bytes")


def too_many(path: str, count: int, most: int) -> FieldError:
    """A list has more than ``most`` items."""
    return _error(ErrorType.TOO_MANY, path, count, f"must have at most {most} items")


def each_invalid(path: str, value: object, details: Iterable[str]) -> list[FieldError]:
    """One :func:`invalid` for each detail."""
    return [invalid(path, value, detail) for detail in details]


class InvalidObjectError(PyrtError):
    """An object that breaks rules: all of them. The message is the API server's."""

    def __init__(self, kind: str, name: str, errors: Sequence[FieldError]) -> None:
        texts = [str(error) for error in errors]
        body = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        super().__init__(f'{kind} "{name}" is invalid: {body}')
        self.kind = kind
        self.name = name
        self.errors = tuple(errors)
