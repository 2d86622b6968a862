"""Names of signals."""

from __future__ import annotations

import signal

import pytest

from pyrt.runtime.errors import InvalidConfigError
from pyrt.runtime.signals import parse_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [("TERM", 15), ("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGQUIT", 3), ("SIGRTMIN+3", signal.SIGRTMIN + 3),
     ("RTMAX-1", signal.SIGRTMAX - 1), ("RTMIN", signal.SIGRTMIN)],
)  # fmt: skip
def test_known(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "NOSUCH", "0", "65", "-9", "SIG_DFL", "_DFL", "RTMIN+99"])
def test_unknown(text: str) -> None:
    with pytest.raises(InvalidConfigError, match="unknown signal"):
        parse_signal(text)
