"""Which images go when their file system fills."""

from __future__ import annotations

from pyrt.ids import ImageId
from pyrt.images.collection import Sighting, order, sighted, to_free

SECOND = 1_000_000_000
A, B, C, D = (ImageId(f"sha256:{letter}") for letter in "abcd")


def test_nothing_below_the_high_mark_then_down_to_the_low_one() -> None:
    assert to_free(1000, 160, 85, 80) == 0
    assert to_free(1000, 150, 85, 80) == 50
    assert to_free(1000, 10, 85, 80) == 190
    assert to_free(1000, 0, 100, 80) == 0
    assert to_free(0, 0, 85, 80) == 0


def test_what_is_used_is_remembered_and_what_is_gone_forgotten() -> None:
    first = sighted({}, [A, B], {A}, 1)
    assert first == {A: Sighting(1, 1), B: Sighting(1)}
    assert sighted(first, [A, C], {C}, 5) == {A: Sighting(1, 1), C: Sighting(5, 5)}


def test_the_longest_unused_go_first_and_neither_the_used_nor_the_young() -> None:
    now = 1000 * SECOND
    seen = {
        A: Sighting(0, 500 * SECOND),
        B: Sighting(0, 100 * SECOND),
        C: Sighting(0, now),
        D: Sighting(now - 60 * SECOND),
    }
    assert order(seen, now, 120 * SECOND) == [B, A]
    assert order(seen, now, 0) == [D, B, A]
