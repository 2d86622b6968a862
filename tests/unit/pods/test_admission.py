"""Who is taken in and who gets more, with a store of its own and pods that only ask."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyrt.kube.container import Container
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.scheduling import PodSchedulingGate
from pyrt.pods.admission import Admission
from pyrt.pods.allocation import Allocatable, Demand
from pyrt.pods.model import Rejection
from pyrt.pods.state import PodState
from pyrt.store import Store

NODE = Allocatable(Demand(1000, 1 << 30, 1 << 30), 5)


class Resident:
    def __init__(self, name: str, cpu: str = "") -> None:
        tools: Any = SimpleNamespace(facts=None, references=None, events=self)
        self.told: list[str] = []
        self.state = PodState(a_pod(name, cpu), tools)

    def emit(self, pod: Pod, kind: str, reason: str, message: str, **_: Any) -> None:
        self.told.append(reason)

    def wake(self) -> None:
        pass

    def resize(self, admission: Admission, cpu: str) -> None:
        """What the API and the supervisor do."""
        admission.before_resize(self.state)
        generation = self.state.pod.metadata.generation + 1
        self.state.pod = a_pod(self.state.pod.metadata.name, cpu, generation)
        admission.consider(self)

    @property
    def cpu(self) -> str:
        return self.state.view.spec.containers[0].resources.requests.get("cpu", "")


def a_pod(name: str, cpu: str = "", generation: int = 1) -> Pod:
    resources = ResourceRequirements(requests={"cpu": cpu} if cpu else {})
    spec = PodSpec(containers=[Container(name="app", image="x", resources=resources)])
    return Pod(metadata=ObjectMeta(name=name, namespace="default", uid=name, generation=generation), spec=spec)


class Node:
    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.residents: list[Resident] = []
        self.admission = Admission(self.store, NODE, lambda: self.residents)

    def add(self, name: str, cpu: str = "") -> Resident:
        resident = Resident(name, cpu)
        self.residents.append(resident)
        resident.state.rejection = self.admission.admit(resident.state)
        return resident

    def remove(self, resident: Resident) -> None:
        self.residents.remove(resident)
        self.admission.forget(resident.state)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    found = Node(tmp_path)
    with found.store:
        yield found


def run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(steps)


def test_what_is_taken_is_not_there_for_others(node: Node) -> None:
    assert node.add("a", "600m").state.rejection is None
    refused = node.add("b", "600m").state.rejection
    assert refused is not None
    assert refused.reason == "OutOfcpu"
    assert node.add("c", "400m").state.rejection is None  # who was refused takes nothing


def test_who_is_over_takes_nothing(node: Node) -> None:
    node.add("a", "600m").state.pod.status.phase = "Succeeded"
    assert node.add("b", "600m").state.rejection is None


def test_so_many_and_no_more(node: Node) -> None:
    assert [node.add(f"p{n}").state.rejection for n in range(5)] == [None] * 5
    refused = node.add("p5").state.rejection
    assert refused is not None
    assert refused.message == "Node didn't have enough resource: pods, requested: 1, used: 5, capacity: 5"


def test_a_pod_at_a_gate_is_not_on_the_node_yet(node: Node) -> None:
    gated = Resident("a", "900m")
    gated.state.pod.spec.scheduling_gates = [PodSchedulingGate(name="example.com/wait")]
    node.residents.append(gated)
    assert node.add("b", "900m").state.rejection is None
    assert node.admission.admit(gated.state) is None
    gated.state.pod.spec.scheduling_gates = []
    assert node.admission.admit(gated.state) is not None


def test_pressure_is_asked_first(node: Node) -> None:
    node.admission.pressure = lambda _: Rejection("Evicted", "short")
    assert node.add("a").state.rejection == Rejection("Evicted", "short")


def test_a_resize_that_fits(node: Node) -> None:
    async def steps() -> None:
        pod = node.add("a", "100m")
        pod.resize(node.admission, "900m")
        assert (pod.cpu, pod.told, pod.state.resize_pending) == ("900m", ["ResizeStarted"], None)
        assert node.add("b", "200m").state.rejection is not None

    run(steps())


def test_a_resize_waits_until_another_goes(node: Node) -> None:
    async def steps() -> None:
        other, pod = node.add("other", "600m"), node.add("a", "100m")
        pod.resize(node.admission, "500m")
        assert (pod.cpu, pod.told) == ("100m", ["ResizeDeferred"])
        node.admission.reconsider()
        assert pod.told == ["ResizeDeferred"]  # told once
        node.remove(other)
        assert (pod.cpu, pod.told[-1], pod.state.resize_pending) == ("500m", "ResizeStarted", None)
        node.admission.close()

    run(steps())


def test_what_can_never_be_is_not_waited_for(node: Node) -> None:
    async def steps() -> None:
        pod = node.add("a", "100m")
        pod.resize(node.admission, "1001m")
        assert pod.told == ["ResizeInfeasible"]
        pod.resize(node.admission, "100m")
        assert (pod.cpu, pod.state.resize_pending, pod.told) == ("100m", None, ["ResizeInfeasible"])

    run(steps())


def test_shrinking_needs_no_room(node: Node) -> None:
    async def steps() -> None:
        pod = node.add("a", "900m")
        node.admission.allocatable = Allocatable(Demand(500, 0, 0), 5)
        pod.resize(node.admission, "800m")
        assert pod.cpu == "800m"

    run(steps())


def test_a_new_daemon_knows_what_was_given(node: Node) -> None:
    async def steps() -> None:
        pod, other = node.add("a", "100m"), node.add("other", "600m")
        for resident in (pod, other):
            resident.state.pod.status.start_time = "2026-01-01T00:00:00Z"
        pod.resize(node.admission, "500m")
        pod.state.pod.status.start_time = "2026-01-01T00:00:00Z"
        node.admission.close()
        fresh = Resident("a", "500m")
        fresh.state.pod = pod.state.pod
        second = Admission(node.store, NODE, lambda: [fresh, other])
        second.restore({"a": fresh, "other": other})
        assert fresh.cpu == "100m"
        assert fresh.state.resize_pending is not None
        second.close()
        third = Admission(node.store, NODE, list)
        third.restore({})
        assert dict(node.store.table("pod-allocations").items()) == {}

    run(steps())
