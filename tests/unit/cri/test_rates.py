"""CPU in use now, from counters."""

from __future__ import annotations

from pyrt.cri.rates import Rates

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def test_the_first_look_tells_nothing() -> None:
    assert Rates().nano_cores("a", SECOND, 5) is None


def test_the_difference_of_two() -> None:
    rates = Rates()
    rates.nano_cores("a", 10 * SECOND, 1 * SECOND)
    assert rates.nano_cores("a", 20 * SECOND, 6 * SECOND) == SECOND // 2
    assert rates.nano_cores("a", 30 * SECOND, 6 * SECOND) == 0
    assert rates.nano_cores("b", 30 * SECOND, 6 * SECOND) is None


def test_callers_that_come_close_together_do_not_spoil_each_others_figures() -> None:
    rates = Rates()
    rates.nano_cores("a", 10 * SECOND, 0)
    assert rates.nano_cores("a", 20 * SECOND, 10 * SECOND) == SECOND
    assert rates.nano_cores("a", 20 * SECOND + MILLISECOND, 10 * SECOND) == SECOND
    assert rates.nano_cores("a", 20 * SECOND + 500 * MILLISECOND, 10 * SECOND) == 0
    assert rates.nano_cores("a", 21 * SECOND, 11 * SECOND) == SECOND


def test_two_looks_too_close_tell_nothing() -> None:
    rates = Rates()
    rates.nano_cores("a", SECOND, 0)
    assert rates.nano_cores("a", SECOND + MILLISECOND, MILLISECOND) is None


def test_a_counter_that_begins_anew() -> None:
    rates = Rates()
    rates.nano_cores("a", SECOND, 100)
    assert rates.nano_cores("a", 2 * SECOND, 50) is None
    assert rates.nano_cores("a", 3 * SECOND, 50 + SECOND) == SECOND


def test_a_clock_that_was_set_back() -> None:
    rates = Rates()
    rates.nano_cores("a", 10 * SECOND, 0)
    assert rates.nano_cores("a", 9 * SECOND, 1) is None
    assert rates.nano_cores("a", 10 * SECOND, 1 + SECOND) == SECOND


def test_forgotten() -> None:
    rates = Rates()
    rates.nano_cores("a", SECOND, 0)
    rates.forget("a")
    rates.forget("a")
    assert rates.nano_cores("a", 2 * SECOND, 5) is None
