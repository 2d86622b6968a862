from __future__ import annotations

import pytest

from pyrt.kube.expand import expand

VARIABLES = {"A": "a", "B": "$(A)", "EMPTY": "", "odd name": "x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "a"),
        ("x$(A)y$(A)", "xaya"),
        ("$(B)", "$(A)"),
        ("$(EMPTY)", ""),
        ("$(odd name)", "x"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$$$$(A)", "$$(A)"),
        ("$A", "$A"),
        ("${A}", "${A}"),
        ("$(A", "$(A"),
        ("$(A$(A)", "$(A$(A)"),
        ("$($(A))", "$($(A))"),
        ("end$", "end$"),
        ("end$$", "end$"),
        ("$", "$"),
        ("$$", "$"),
        ("$ü(A)", "$ü(A)"),
        ("$()", "$()"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, VARIABLES) == expected
