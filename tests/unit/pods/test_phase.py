from __future__ import annotations

import pytest

from pyrt.kube.container import Container
from pyrt.kube.pod import PodSpec
from pyrt.kube.podstatus import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)
from pyrt.pods.phase import compute_phase


def status(name: str, word: str) -> ContainerStatus:
    """``run``, ``start`` (running, not started), ``wait``, ``0``/``1`` (ended so), ``r0``/``r1`` (ended, waits)."""
    result = ContainerStatus(name=name, started=word == "run")
    if word in ("run", "start"):
        result.state = ContainerState(running=ContainerStateRunning())
    elif word == "wait":
        result.state = ContainerState(waiting=ContainerStateWaiting())
    else:
        ended = ContainerState(terminated=ContainerStateTerminated(exit_code=int(word[-1])))
        if word.startswith("r"):
            result.state, result.last_state = ContainerState(waiting=ContainerStateWaiting()), ended
        else:
            result.state = ended
    return result


def phase(policy: str, apps: str, inits: str = "", sidecars: str = "", *, ended: bool = False) -> str:
    app_words, init_words, side_words = apps.split(), inits.split(), sidecars.split()
    spec = PodSpec(
        restart_policy=policy,
        containers=[Container(name=f"a{i}") for i, _ in enumerate(app_words)],
        init_containers=[
            *(Container(name=f"s{i}", restart_policy="Always") for i, _ in enumerate(side_words)),
            *(Container(name=f"i{i}") for i, _ in enumerate(init_words)),
        ],
    )
    named = zip("ais", (app_words, init_words, side_words), strict=True)
    statuses = [status(f"{kind}{i}", word) for kind, words in named for i, word in enumerate(words)]
    return compute_phase(spec, statuses, ended=ended)


@pytest.mark.parametrize(
    ("policy", "apps", "expected"),
    [
        ("Always", "wait", "Pending"),
        ("Always", "run", "Running"),
        ("Always", "run wait", "Pending"),
        ("Always", "run r1", "Running"),
        ("Always", "0 0", "Running"),
        ("Always", "r1", "Running"),
        ("OnFailure", "0 run", "Running"),
        ("OnFailure", "0 0", "Succeeded"),
        ("OnFailure", "0 r1", "Running"),
        ("OnFailure", "0 1", "Running"),
        ("Never", "0 run", "Running"),
        ("Never", "0 0", "Succeeded"),
        ("Never", "0 1", "Failed"),
    ],
)
def test_containers(policy: str, apps: str, expected: str) -> None:
    assert phase(policy, apps) == expected


@pytest.mark.parametrize(
    ("policy", "inits", "sidecars", "apps", "expected"),
    [
        ("Always", "run", "", "wait", "Pending"),
        ("Always", "0 wait", "", "wait", "Pending"),
        ("Always", "r1", "", "wait", "Pending"),
        ("OnFailure", "1", "", "wait", "Pending"),
        ("Never", "1", "", "wait", "Failed"),
        ("Always", "0", "", "run", "Running"),
        ("Always", "", "start", "wait", "Pending"),
        ("Always", "", "run", "run", "Running"),
        ("Always", "", "start", "run", "Running"),
        ("Always", "", "r1", "run", "Running"),
        ("Never", "", "run", "0", "Running"),
        ("Never", "", "1", "0", "Succeeded"),
    ],
)
def test_init_containers_and_sidecars(policy: str, inits: str, sidecars: str, apps: str, expected: str) -> None:
    assert phase(policy, apps, inits, sidecars) == expected


@pytest.mark.parametrize(
    ("apps", "expected"), [("0", "Succeeded"), ("1", "Failed"), ("0 wait", "Failed"), ("wait", "Failed")]
)
def test_a_pod_that_has_ended_is_one_or_the_other(apps: str, expected: str) -> None:
    assert phase("Always", apps, ended=True) == expected


def test_replaced_containers_do_not_end_a_pod() -> None:
    spec = PodSpec(restart_policy="Never", containers=[Container(name="a")])
    assert compute_phase(spec, [status("a", "1")]) == "Failed"
    assert compute_phase(spec, [status("a", "1")], replaced=["a"]) == "Running"
