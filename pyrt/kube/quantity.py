"""Resource quantities: the grammar, exact values, and the canonical form of ``apimachinery/pkg/api/resource``.

A quantity is a decimal number with a suffix: binary (``Ki`` ... ``Ei``), decimal (``n u m k M G T P E``) or a decimal
exponent (``e3``). Objects carry quantities as text; this module gives their exact value (a
:class:`fractions.Fraction`), integers rounded up as Kubernetes rounds them, and the canonical text that the API
server stores.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from pyrt.errors import PyrtError

_GRAMMAR = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]+)", re.ASCII)
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_MAX_EXPONENT = 40
_MAX = Fraction(2**63 - 1)
_NANO = Fraction(1, 10**9)

INVALID = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
"""The API server's text for anything unreadable."""


class QuantityError(PyrtError):
    """Text that is not a quantity."""


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Fraction, str]:
    """The value, capped and rounded to nano as the API server does, and the suffix."""
    match = _GRAMMAR.fullmatch(text) if len(text) <= 128 else None
    if match is None:
        raise QuantityError(INVALID)
    sign, digits, suffix = match.groups()
    if suffix in _DECIMAL:
        scale = Fraction(10) ** _DECIMAL[suffix]
    elif suffix in _BINARY:
        scale = Fraction(1024) ** _BINARY.index(suffix)
    else:
        exponent = int(suffix[1:])
        if abs(exponent) > _MAX_EXPONENT:
            raise QuantityError(INVALID)
        scale = Fraction(10) ** exponent
    magnitude = min(Fraction(digits) * scale, _MAX)
    nanos = -(-magnitude // _NANO)  # rounded up, away from zero
    magnitude = nanos * _NANO
    return (-magnitude if sign == "-" else magnitude), suffix


def value(text: str) -> Fraction:
    """The exact value.

    Raises
    ------
    QuantityError: ``text`` is not a quantity.
    """
    return _parse(text)[0]


def units(text: str) -> int:
    """Whole units (bytes, cores), rounded up."""
    return -int(-value(text) // 1)


def milli(text: str) -> int:
    """Thousandths (millicores), rounded up."""
    return -int(-(value(text) * 1000) // 1)


def is_valid(text: str) -> bool:
    """Whether ``text`` is a quantity."""
    try:
        _parse(text)
    except QuantityError:
        return False
    return True


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The form that the API server stores: no fraction, the largest suffix of the same family (``0.5`` is ``500m``).

    Raises
    ------
    QuantityError: ``text`` is not a quantity.
    """
    amount, suffix = _parse(text)
    if amount == 0:
        return "0"
    if suffix.endswith("i"):
        if abs(amount) < 1024 or amount.denominator != 1 or amount % 1024 != 0:
            # Without a suffix the text would be read as decimal the next time, and written differently.
            return _decimal(amount)
        return _binary(int(amount))
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return _exponent(amount)
    return _decimal(amount)


def of_units(amount: int, *, binary: bool = False) -> str:
    """The canonical text of a whole number of units, with binary suffixes if wanted (memory)."""
    return canonical(f"{amount}") if not binary or amount < 1024 else _binary(amount)


def of_milli(amount: int) -> str:
    """The canonical text of a number of thousandths."""
    return canonical(f"{amount}m")


def _binary(amount: int) -> str:
    power = 0
    while power < 6 and amount % 1024 == 0:
        amount //= 1024
        power += 1
    return f"{amount}{_BINARY[power]}"


def _scaled(amount: Fraction) -> tuple[int, int]:
    """A whole number and the largest power of ten, a multiple of three from -9 to 18, that make up ``amount``."""
    number, power = int(amount * 10**9), -9
    while power < 18 and number % 1000 == 0:
        number //= 1000
        power += 3
    return number, power


def _decimal(amount: Fraction) -> str:
    number, power = _scaled(amount)
    return f"{number}{_DECIMAL_SUFFIX[power]}"


def _exponent(amount: Fraction) -> str:
    number, power = _scaled(amount)
    return f"{number}e{power}" if power else f"{number}"
