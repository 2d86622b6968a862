"""Thresholds: how results become verdicts."""

from hypothesis import given
from hypothesis import strategies as st

from pyrt.pods.probes.verdict import INITIAL, ProbeKind, Thresholds, Verdict, advance, begin

kinds = st.sampled_from(ProbeKind)
thresholds = st.builds(Thresholds, st.integers(1, 4), st.integers(1, 4))


def after(kind, results, limits, known=None):
    course = begin(kind, known)
    for result in results:
        course = advance(course, result, limits)
    return course


def test_before_any_result():
    assert {kind: begin(kind).verdict for kind in ProbeKind} == INITIAL
    assert begin(ProbeKind.READINESS).verdict is Verdict.FAILURE
    assert begin(ProbeKind.LIVENESS).verdict is Verdict.SUCCESS


def test_what_an_earlier_daemon_knew_stands():
    assert begin(ProbeKind.READINESS, Verdict.SUCCESS).verdict is Verdict.SUCCESS
    assert begin(ProbeKind.STARTUP, Verdict.SUCCESS).resting
    one_failure = after(ProbeKind.READINESS, [False], Thresholds(1, 2), Verdict.SUCCESS)
    assert one_failure.verdict is Verdict.SUCCESS


def test_three_failures_in_a_row():
    limits = Thresholds(1, 3)
    assert after(ProbeKind.LIVENESS, [False, False, True, False, False], limits).verdict is Verdict.SUCCESS
    failed = after(ProbeKind.LIVENESS, [False, False, True, False, False, False], limits)
    assert (failed.verdict, failed.resting) == (Verdict.FAILURE, True)


def test_readiness_comes_back_after_its_successes():
    limits = Thresholds(2, 1)
    assert after(ProbeKind.READINESS, [True, True, False, True], limits).verdict is Verdict.FAILURE
    assert after(ProbeKind.READINESS, [True, True, False, True, True], limits).verdict is Verdict.SUCCESS


@given(kinds, st.lists(st.booleans(), max_size=30), thresholds)
def test_the_verdict_is_the_last_run_that_was_long_enough(kind, results, limits):
    held, run, last = INITIAL[kind], 0, None
    for result in results:
        run = run + 1 if result is last else 1
        last = result
        if run >= (limits.success if result else limits.failure):
            held = Verdict.SUCCESS if result else Verdict.FAILURE
    assert after(kind, results, limits).verdict is held


@given(kinds, st.lists(st.booleans(), min_size=1, max_size=30), thresholds)
def test_readiness_never_rests_and_the_others_rest_when_nothing_is_left_to_learn(kind, results, limits):
    course = after(kind, results, limits)
    if kind is ProbeKind.READINESS:
        assert not course.resting
    elif course.resting:
        assert kind is ProbeKind.STARTUP or course.verdict is Verdict.FAILURE
