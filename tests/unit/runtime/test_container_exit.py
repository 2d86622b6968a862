"""How an end is called."""

from __future__ import annotations

import pytest

from pyrt.runtime.container_exit import reason_of


@pytest.mark.parametrize(
    ("code", "kills", "reason"),
    [
        (0, 0, "Completed"),
        (1, 0, "Error"),
        (137, 0, "Error"),
        (137, 1, "OOMKilled"),
        (1, 5, "Error"),
        (0, 5, "Completed"),
        (143, 1, "Error"),
    ],
)
def test_oom_needs_the_counter_and_the_kill(code: int, kills: int, reason: str) -> None:
    assert reason_of(code, kills) == reason
