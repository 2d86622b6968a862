from __future__ import annotations

import pytest

from pyrt.ids import ContainerId, SandboxId
from pyrt.kube.container import Container
from pyrt.kube.resources import ResourceRequirements
from pyrt.pods import backoff
from pyrt.pods.model import SECOND, BackOff, Failure, ObservedContainer
from pyrt.runtime.status import ContainerState


def ended(delay: int, *, ran_seconds: int = 1, key: str = "k") -> ObservedContainer:
    return ObservedContainer(
        ContainerId("c"),
        "app",
        3,
        ContainerState.EXITED,
        SandboxId("s"),
        created_at=1000 * SECOND,
        finished_at=(1000 + ran_seconds) * SECOND,
        back_off=BackOff(key, delay),
    )


@pytest.mark.parametrize(("before", "after"), [(0, 10), (10, 20), (20, 40), (160, 300), (300, 300)])
def test_where_the_delay_doubles(before: int, after: int) -> None:
    assert backoff.next_back_off(ended(before), "k").delay_seconds == after


def test_the_first_instance_has_no_delay() -> None:
    assert backoff.next_back_off(None, "k") == BackOff("k", 0)
    assert backoff.restart_at(ended(0), "k") == 1001 * SECOND


def test_the_wait_counts_from_the_end() -> None:
    assert backoff.restart_at(ended(40, ran_seconds=5), "k") == 1045 * SECOND


def test_ten_minutes_and_a_second_forgive() -> None:
    assert backoff.next_back_off(ended(80, ran_seconds=600), "k").delay_seconds == 160
    assert backoff.next_back_off(ended(80, ran_seconds=601), "k").delay_seconds == 10
    assert backoff.restart_at(ended(80, ran_seconds=601), "k") == 1601 * SECOND


def test_another_key_forgives() -> None:
    assert backoff.restart_at(ended(80), "other") == 1001 * SECOND


def test_keys_name_image_and_resources() -> None:
    plain = Container(name="a", image="i:1")
    limited = Container(name="a", image="i:1", resources=ResourceRequirements(limits={"cpu": "1"}))
    reordered = Container(name="a", image="i:1", resources=ResourceRequirements(limits={"memory": "1", "cpu": "1"}))
    ordered = Container(name="a", image="i:1", resources=ResourceRequirements(limits={"cpu": "1", "memory": "1"}))
    assert backoff.back_off_key(plain) == "i:1"
    assert len({backoff.back_off_key(c) for c in (plain, limited, ordered)}) == 3
    assert backoff.back_off_key(ordered) == backoff.back_off_key(reordered)


@pytest.mark.parametrize(("count", "seconds"), [(1, 10), (2, 20), (5, 160), (6, 300), (1000, 300)])
def test_pull_delays(count: int, seconds: int) -> None:
    assert backoff.pull_delay(Failure("ErrImagePull", "", 0, count)) == seconds * SECOND


def test_failures_count_up_until_ten_quiet_minutes() -> None:
    first = Failure.after(None, "ErrImagePull", "no", 0)
    second = Failure.after(first, "ErrImagePull", "no", 600 * SECOND)
    third = Failure.after(second, "ErrImagePull", "no", 1201 * SECOND)
    assert (first.count, second.count, third.count) == (1, 2, 1)


@pytest.mark.parametrize("value", [BackOff(), BackOff("nginx:latest abc", 160)])
def test_back_offs_are_kept_as_text(value: BackOff) -> None:
    assert BackOff.decode(value.encode()) == value


def test_unreadable_text_is_no_back_off() -> None:
    assert BackOff.decode("x y") == BackOff()
    assert BackOff.decode("") == BackOff()


@pytest.mark.parametrize(("seconds", "text"), [(10, "10s"), (80, "1m20s"), (300, "5m0s")])
def test_periods_read_as_in_go(seconds: int, text: str) -> None:
    assert backoff.period_text(seconds) == text
