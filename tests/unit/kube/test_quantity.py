from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.kube import quantity
from pyrt.kube.quantity import QuantityError


@pytest.mark.parametrize(
    ("text", "canonical", "units", "milli"),
    [
        ("0", "0", 0, 0),
        ("0Gi", "0", 0, 0),
        ("1", "1", 1, 1000),
        ("1000m", "1", 1, 1000),
        ("0.5", "500m", 1, 500),
        (".5", "500m", 1, 500),
        ("5.", "5", 5, 5000),
        ("1500m", "1500m", 2, 1500),
        ("100u", "100u", 1, 1),
        ("0.1n", "1n", 1, 1),
        ("1.5Gi", "1536Mi", 1610612736, 1610612736000),
        ("1024Mi", "1Gi", 2**30, 2**30 * 1000),
        ("1023Mi", "1023Mi", 1023 * 2**20, 1023 * 2**20 * 1000),
        ("0.5Ki", "512", 512, 512000),
        ("281.25Ki", "288k", 288000, 288000000),
        ("1e3", "1e3", 1000, 10**6),
        ("12E6", "12e6", 12 * 10**6, 12 * 10**9),
        ("1.2k", "1200", 1200, 1200000),
        ("1000000", "1M", 10**6, 10**9),
        ("1E", "1E", 10**18, 10**21),
        ("1Ei", "1Ei", 2**60, 2**60 * 1000),
        ("-5m", "-5m", 0, -5),
        ("+1", "1", 1, 1000),
        ("9999999999E", "9223372036854775807", 2**63 - 1, (2**63 - 1) * 1000),
    ],
)
def test_values_and_canonical_forms(text: str, canonical: str, units: int, milli: int) -> None:
    assert quantity.canonical(text) == canonical
    assert quantity.units(text) == units
    assert quantity.milli(text) == milli


@pytest.mark.parametrize(
    "text", ["", " ", "1Gx", "Gi", "1 Gi", "--1", "1ki", "e3", "1e", "1.2.3", ".", "٣", "1K", "0x10", "inf", "1" * 200]
)
def test_what_is_no_quantity(text: str) -> None:
    assert not quantity.is_valid(text)
    with pytest.raises(QuantityError, match="must match the regular expression"):
        quantity.value(text)


def test_made_from_numbers() -> None:
    assert quantity.of_units(2**30, binary=True) == "1Gi"
    assert quantity.of_units(1000) == "1k"
    assert quantity.of_milli(250) == "250m"


texts = st.builds(
    lambda sign, digits, fraction, suffix: f"{sign}{digits}{fraction}{suffix}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**9),
    st.sampled_from(["", ".5", ".25", ".001"]),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e2", "E-1"]),
)


@given(texts)
def test_the_canonical_form_is_the_same_amount_and_stable(text: str) -> None:
    canonical = quantity.canonical(text)
    assert quantity.value(canonical) == quantity.value(text)
    assert quantity.canonical(canonical) == canonical
    assert "." not in canonical


@given(texts)
def test_rounding_is_upwards_and_small(text: str) -> None:
    value = quantity.value(text)
    assert 0 <= quantity.units(text) - value < 1
    assert 0 <= Fraction(quantity.milli(text), 1000) - value < Fraction(1, 1000)
