"""The STATUS, READY and RESTARTS columns (kubernetes, ``pkg/printers/internalversion/printers.go``, printPod)."""

from __future__ import annotations

import pytest

from pyrt.api.kinds.pod_table import cells
from pyrt.kube.container import Container
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.podstatus import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    PodCondition,
    PodStatus,
)

ENDED = "2020-01-01T00:00:00Z"


def one(name: str, text: str) -> ContainerStatus:
    """A status from words: ``run`` (ready), ``starting`` (not started), ``unready``, ``wait:REASON``,
    ``end:CODE:REASON`` or ``signal:N``, each with ``xN`` for N restarts.
    """
    word, _, count = text.partition(" x")
    kind, _, rest = word.partition(":")
    status = ContainerStatus(name=name, restart_count=int(count or 0), started=kind in ("run", "unready"))
    status.ready = kind == "run"
    if kind in ("run", "unready", "starting"):
        status.state = ContainerState(running=ContainerStateRunning())
    elif kind == "wait":
        status.state = ContainerState(waiting=ContainerStateWaiting(reason=rest))
    elif kind == "signal":
        status.state = ContainerState(terminated=ContainerStateTerminated(exit_code=137, signal=int(rest)))
    else:
        code, _, reason = rest.partition(":")
        status.state = ContainerState(terminated=ContainerStateTerminated(exit_code=int(code), reason=reason))
    return status


def a_pod(
    apps: str, inits: str = "", sidecars: str = "", phase: str = "Running", conditions: str = "", reason: str = ""
) -> Pod:
    """Statuses are separated by commas; ``sidecars`` names the init containers that are some by their index."""
    told_apps = [one(f"a{i}", text) for i, text in enumerate(filter(None, apps.split(",")))]
    told_inits = [one(f"i{i}", text) for i, text in enumerate(filter(None, inits.split(",")))]
    return Pod(
        metadata=ObjectMeta(name="p"),
        spec=PodSpec(
            containers=[Container(name=s.name) for s in told_apps],
            init_containers=[
                Container(name=s.name, restart_policy="Always" if str(i) in sidecars else None)
                for i, s in enumerate(told_inits)
            ],
        ),
        status=PodStatus(
            phase=phase,
            reason=reason,
            container_statuses=told_apps,
            init_container_statuses=told_inits,
            conditions=[PodCondition(type=name, status="True") for name in conditions.split()],
        ),
    )


READY = "Initialized ContainersReady Ready"


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (a_pod("run", conditions=READY), ("1/1", "Running", "0")),
        (a_pod("wait:ContainerCreating", phase="Pending"), ("0/1", "ContainerCreating", "0")),
        (a_pod("wait:CrashLoopBackOff x4"), ("0/1", "CrashLoopBackOff", "4")),
        (a_pod("wait:ImagePullBackOff,run"), ("1/2", "ImagePullBackOff", "0")),
        (a_pod("end:0:Completed", phase="Succeeded"), ("0/1", "Completed", "0")),
        (a_pod("end:1:Error", phase="Failed"), ("0/1", "Error", "0")),
        (a_pod("end:137:OOMKilled", phase="Failed"), ("0/1", "OOMKilled", "0")),
        (a_pod("end:3:", phase="Failed"), ("0/1", "ExitCode:3", "0")),
        (a_pod("signal:9", phase="Failed"), ("0/1", "Signal:9", "0")),
        (a_pod("end:0:Completed,end:1:Error", phase="Failed"), ("0/2", "Error", "0")),
        (a_pod("end:0:Completed,run"), ("1/2", "NotReady", "0")),
        (a_pod("end:0:Completed,run", conditions=READY), ("1/2", "Running", "0")),
        (a_pod("end:0:Completed,end:1:Error,run"), ("1/3", "Error", "0")),
        (a_pod("unready"), ("0/1", "Running", "0")),
        (a_pod("", phase="Failed", reason="Evicted"), ("0/0", "Evicted", "0")),
        # init containers
        (a_pod("wait:PodInitializing", "run", phase="Pending"), ("0/1", "Init:0/1", "0")),
        (a_pod("wait:PodInitializing", "end:0:Completed,run", phase="Pending"), ("0/1", "Init:1/2", "0")),
        (a_pod("wait:PodInitializing", "wait:PodInitializing", phase="Pending"), ("0/1", "Init:0/1", "0")),
        (a_pod("wait:PodInitializing", "wait:CrashLoopBackOff x2"), ("0/1", "Init:CrashLoopBackOff", "2")),
        (a_pod("wait:PodInitializing", "end:1:Error", phase="Failed"), ("0/1", "Init:Error", "0")),
        (a_pod("wait:PodInitializing", "end:2:", phase="Failed"), ("0/1", "Init:ExitCode:2", "0")),
        (a_pod("wait:PodInitializing", "signal:9", phase="Failed"), ("0/1", "Init:Signal:9", "0")),
        (a_pod("wait:PodInitializing", "end:0:Completed", phase="Pending"), ("0/1", "PodInitializing", "0")),
        (a_pod("run", "end:0:Completed x3", conditions=READY), ("1/1", "Running", "0")),
        # sidecars
        (a_pod("run", "run", "0", conditions=READY), ("2/2", "Running", "0")),
        (a_pod("wait:PodInitializing", "starting", "0", phase="Pending"), ("0/2", "Init:0/1", "0")),
        (a_pod("run x1", "end:0:Completed x5,run x2", "1", conditions=READY), ("2/2", "Running", "3")),
        (
            a_pod("run", "wait:CrashLoopBackOff x2", "0", conditions="Initialized"),
            ("1/2", "Init:CrashLoopBackOff", "2"),
        ),
    ],
)
def test_the_columns(pod: Pod, expected: tuple[str, str, str]) -> None:
    assert tuple(cells(pod)[1:4]) == expected


def test_a_gated_pod() -> None:
    pod = a_pod("", phase="Pending")
    pod.status.conditions = [PodCondition(type="PodScheduled", status="False", reason="SchedulingGated")]
    assert cells(pod)[2] == "SchedulingGated"


@pytest.mark.parametrize(("phase", "expected"), [("Running", "Terminating"), ("Succeeded", "Completed")])
def test_a_deleted_pod(phase: str, expected: str) -> None:
    pod = a_pod("end:0:Completed", phase=phase)
    pod.metadata.deletion_timestamp = ENDED
    assert cells(pod)[2] == expected


def test_the_last_restart_is_dated() -> None:
    pod = a_pod("run x2")
    pod.status.container_statuses[0].last_state.terminated = ContainerStateTerminated(finished_at=ENDED)
    text = cells(pod)[3]
    assert text.startswith("2 (")
    assert text.endswith(" ago)")
