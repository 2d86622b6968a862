"""Rounds of the watch, with readings and pods that are made up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyrt.cgroups.stats import CgroupStats
from pyrt.config.eviction import Eviction as Settings
from pyrt.ids import SandboxId
from pyrt.kube.pod import Pod
from pyrt.pods.eviction import measure
from pyrt.pods.eviction.thresholds import Observation, Signal
from pyrt.pods.eviction.watch import EvictionWatch
from pyrt.pods.node_conditions import NodeConditions
from pyrt.runtime.status import ContainerState
from tests.unit.pods.eviction.builders import GI, MI, PLENTY, a_pod, seen

SHORT_OF_MEMORY = seen(MEMORY=Observation(50 * MI, 16 * GI))
SHORT_OF_DISK = seen(NODEFS=Observation(GI, 100 * GI))


class Events:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def emit(self, about: Any, kind: str, reason: str, message: str) -> None:
        self.told.append((reason, message))


class Runtime:
    """Pods whose memory is what the test says, by sandbox."""

    def __init__(self) -> None:
        self.memory: dict[str, int] = {}
        self.dead: list[str] = []

    def sandbox_cgroup(self, sandbox_id: str) -> CgroupStats:
        return CgroupStats(memory_working_set=self.memory[sandbox_id], pids=1)

    def container_cgroup(self, container_id: str) -> CgroupStats:
        return CgroupStats(memory_working_set=self.memory[container_id])

    def list_containers(self, sandbox_id: str) -> list[Any]:
        def instance(attempt: int, state: ContainerState) -> Any:
            name = sandbox_id if state is ContainerState.RUNNING else f"{sandbox_id}-{attempt}"
            return SimpleNamespace(id=name, state=state, config=SimpleNamespace(name="app", attempt=attempt))

        found = [instance(1, ContainerState.RUNNING)]
        if f"{sandbox_id}-0" not in self.dead:
            found.insert(0, instance(0, ContainerState.EXITED))
        return found

    async def remove_container(self, container_id: str) -> None:
        self.dead.append(container_id)

    def writable_layer(self, container_id: str) -> Path:
        return Path("/nowhere")


class Resident:
    """A pod's worker as the watch sees it."""

    def __init__(self, pod: Pod, runtime: Runtime, memory: int) -> None:
        name = pod.metadata.name
        runtime.memory[name] = memory
        self.woken = 0
        self.state: Any = SimpleNamespace(
            pod=pod,
            view=pod,
            eviction=None,
            rejection=None,
            sandboxes=[SandboxId(name)],
            volumes=SimpleNamespace(prepared={}),
            tools=SimpleNamespace(runtime=runtime, facts=SimpleNamespace(logs=Path("/nowhere"), pods=Path("/nowhere"))),
            forget=lambda _: None,
        )

    def wake(self) -> None:
        self.woken += 1


class Scene:
    def __init__(self, tmp_path: Path, **settings: Any) -> None:
        self.runtime, self.events = Runtime(), Events()
        self.residents: list[Resident] = []
        self.readings: list[Mapping[Signal, Observation]] = []
        self.reclaimed = 0
        self.conditions = NodeConditions("n", self.events)  # type: ignore[arg-type]
        for name in ("pods", "layers"):
            (tmp_path / name).mkdir()
        self.watch = EvictionWatch(
            Settings(**settings), tmp_path, self.conditions, lambda: self.residents, self._reclaim, self._read
        )

    def add(self, name: str, memory: int, **fields: Any) -> Resident:
        resident = Resident(a_pod(name, **fields), self.runtime, memory)
        self.residents.append(resident)
        return resident

    def round(self, *readings: Mapping[Signal, Observation]) -> list[str]:
        """Names of who was evicted."""
        self.readings = list(readings)
        return [r.state.pod.metadata.name for r in asyncio.run(self.watch.round())]  # type: ignore[attr-defined]

    def _read(self, nodefs: Path, imagefs: Path) -> Mapping[Signal, Observation]:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    async def _reclaim(self, now: int) -> int:
        self.reclaimed += 1
        return 1


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_quiet_round_looks_at_no_pod(scene: Scene) -> None:
    scene.add("web", 5 * GI)
    scene.runtime.memory.clear()  # a look would fail
    assert scene.round(PLENTY) == []
    assert scene.events.told == []


def test_one_a_round(scene: Scene) -> None:
    scene.add("small", 10 * MI)
    big = scene.add("big", 500 * MI)
    assert scene.round(SHORT_OF_MEMORY) == ["big"]
    assert big.woken == 1
    assert big.state.eviction.grace_seconds == 1
    assert scene.round(SHORT_OF_MEMORY) == ["small"]
    assert scene.round(SHORT_OF_MEMORY) == []
    assert ("EvictionThresholdMet", "Attempting to reclaim memory") in scene.events.told
    assert scene.events.told[0] == (
        "NodeHasInsufficientMemory",
        "Node n status is now: NodeHasInsufficientMemory",
    )


def test_who_is_over_refused_or_going_is_no_candidate(scene: Scene) -> None:
    over, refused, going = (scene.add(name, GI) for name in ("over", "refused", "going"))
    over.state.pod.status.phase = "Failed"
    refused.state.rejection = object()
    going.state.pod.metadata.deletion_timestamp = "2026-01-01T00:00:00Z"
    assert scene.round(SHORT_OF_MEMORY) == []


def test_disk_is_had_back_from_the_dead_and_from_images_first(scene: Scene) -> None:
    scene.add("web", MI)
    assert scene.round(SHORT_OF_DISK, PLENTY) == []
    assert (scene.reclaimed, scene.runtime.dead) == (1, ["web-0"])
    assert scene.round(SHORT_OF_DISK) == ["web"]


def test_memory_is_not_had_back_from_images(scene: Scene) -> None:
    scene.add("web", MI)
    scene.round(SHORT_OF_MEMORY)
    assert scene.reclaimed == 0


def test_pressure_refuses_new_pods_until_it_is_long_over(scene: Scene) -> None:
    assert scene.watch.refuse(a_pod()) is None
    scene.round(SHORT_OF_MEMORY)
    found = scene.watch.refuse(a_pod())
    assert found is not None
    assert found.message == "The node had condition: [MemoryPressure]. "
    scene.round(PLENTY)
    assert scene.watch.refuse(a_pod()) is not None
    memory = next(c for c in scene.conditions.all() if c.type == "MemoryPressure")
    assert (memory.active, memory.reason) == (True, "KubeletHasInsufficientMemory")


def test_the_machine_can_be_read(tmp_path: Path) -> None:
    found = measure.signals(tmp_path, tmp_path)
    assert {Signal.MEMORY, Signal.PID, Signal.NODEFS, Signal.IMAGEFS} <= set(found)
    assert all(0 <= o.available <= o.capacity for o in found.values())
    assert measure.same_device(tmp_path, tmp_path)
