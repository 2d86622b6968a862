"""Similar events are combined, and what repeats itself too often is silenced (client-go's EventCorrelator)."""

from __future__ import annotations

from pyrt.pods.correlation import BURST, SECOND, Admitted, Correlator, EventKey

START = 1_000_000 * SECOND


def key(message: str = "x", *, uid: str = "u", kind: str = "Normal", reason: str = "Pulled") -> EventKey:
    return EventKey(uid, "spec.containers{app}", kind, reason, message, "kubelet")


def test_an_event_is_written_as_it_is() -> None:
    assert Correlator().admit(key("hello"), START) == Admitted(key("hello"), "hello", 1)


def test_the_tenth_message_of_a_reason_is_combined_with_those_after_it() -> None:
    correlator = Correlator()
    found = [correlator.admit(key(f"m{number}"), START + number) for number in range(12)]
    assert [one.message for one in found if one is not None][:9] == [f"m{number}" for number in range(9)]
    combined = [one for one in found[9:] if one is not None]
    assert [one.message for one in combined] == [f"(combined from similar events): m{n}" for n in (9, 10, 11)]
    assert len({one.key for one in combined}) == 1


def test_after_ten_quiet_minutes_similar_events_are_news() -> None:
    correlator = Correlator()
    for number in range(12):
        correlator.admit(key(f"m{number}"), START)
    again = correlator.admit(key("m12"), START + 601 * SECOND)
    assert again is not None
    assert again.message == "m12"


def test_after_a_burst_one_every_five_minutes_which_tells_of_the_others() -> None:
    correlator = Correlator()
    assert all(correlator.admit(key(), START) for _ in range(BURST))
    assert [correlator.admit(key(), START) for _ in range(7)] == [None] * 7
    assert correlator.admit(key(), START + 299 * SECOND) is None
    late = correlator.admit(key(), START + 301 * SECOND)
    assert late is not None
    assert late.times == 9
    assert correlator.admit(key(), START + 302 * SECOND) is None


def test_other_objects_and_other_types_are_not_silenced() -> None:
    correlator = Correlator()
    for _ in range(BURST + 1):
        correlator.admit(key(), START)
    assert correlator.admit(key(kind="Warning"), START) is not None
    assert correlator.admit(key(uid="other"), START) is not None
    correlator.forget("u")
    assert correlator.admit(key(), START) is not None
