"""Query parameters, read as the API server reads them."""

from __future__ import annotations

from collections.abc import Mapping

from pyrt.api.errors import bad_request

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("", "0", "f", "F", "false", "FALSE", "False")


def flag(query: Mapping[str, str], name: str, default: bool = False) -> bool:
    """A boolean (Go's ``strconv.ParseBool``). A parameter without a value is true. Raises ApiError 400."""
    text = query.get(name)
    if text is None:
        return default
    if text in _TRUE or text == "":
        return True
    if text in _FALSE:
        return False
    raise bad_request(f'invalid value for query parameter {name}: strconv.ParseBool: parsing "{text}": invalid syntax')


def integer(query: Mapping[str, str], name: str, *, minimum: int | None = None) -> int | None:
    """A decimal integer; ``None`` when absent. Raises ApiError 400."""
    text = query.get(name)
    if text is None or text == "":
        return None
    digits = text[1:] if text[0] in "+-" else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise bad_request(f'invalid value for query parameter {name}: parsing "{text}": invalid syntax')
    value = int(text)
    if minimum is not None and value < minimum:
        raise bad_request(
            f"invalid value for query parameter {name}: {value}: must be greater than or equal to {minimum}"
        )
    return value


def dry_run(values: list[str]) -> bool:
    """``dryRun=All``. Raises ApiError for any other value, as the API server does: silently ignoring it would act."""
    for value in values:
        if value != "All":
            raise bad_request(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return bool(values)
