"""When pods have to go, which, and what is said: hours of pressure on a virtual clock."""

from __future__ import annotations

from typing import Any

import pytest

from pyrt.config.eviction import Eviction as Settings
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.scheduling import Toleration
from pyrt.pods.eviction.decide import Memory, choose, look, refuse, resolved
from pyrt.pods.eviction.ranking import ranked
from pyrt.pods.eviction.thresholds import Observation, Signal, Threshold, thresholds
from pyrt.pods.eviction.usage import PodUsage
from pyrt.pods.model import SECOND
from tests.unit.pods.eviction.builders import GI, MI, PLENTY, a_pod, seen, using


def names(usages: list[PodUsage]) -> list[str]:
    return [usage.pod.metadata.name for usage in usages]


# --- thresholds ------------------------------------------------------------------------------------------------------


def test_the_kubelets_hard_defaults() -> None:
    found = {t.signal.value: t.value for t in thresholds(Settings())}
    assert found == {
        "memory.available": "100Mi",
        "nodefs.available": "10%",
        "nodefs.inodesFree": "5%",
        "imagefs.available": "15%",
        "imagefs.inodesFree": "5%",
        "pid.available": "1%",
    }
    assert thresholds(Settings(enabled=False)) == ()


def test_single_thresholds_are_replaced_or_switched_off() -> None:
    settings = Settings(hard={"memory.available": "1Gi", "imagefs.available": "0%"})
    found = {t.signal: t.value for t in thresholds(settings)}
    assert found[Signal.MEMORY] == "1Gi"
    assert Signal.IMAGEFS not in found
    assert found[Signal.NODEFS] == "10%"


@pytest.mark.parametrize(
    ("value", "available", "met"),
    [("100Mi", 100 * MI, False), ("100Mi", 100 * MI - 1, True), ("10%", GI // 10, False), ("10%", GI // 10 - 1, True)],
)
def test_a_threshold_is_met_below_it(value: str, available: int, met: bool) -> None:
    assert Threshold(Signal.MEMORY, value).met(Observation(available, GI)) is met


# --- looking ---------------------------------------------------------------------------------------------------------


def test_all_is_well() -> None:
    outcome = look(Settings(), Memory(), PLENTY, 0)
    assert (outcome.conditions, outcome.shortfall) == ((), None)


def test_a_condition_lasts_five_minutes_longer_than_its_cause() -> None:
    short = seen(MEMORY=Observation(50 * MI, 16 * GI))
    memory = look(Settings(), Memory(), short, 0).memory
    for seconds, expected in ((10, ("MemoryPressure",)), (299, ("MemoryPressure",)), (300, ())):
        assert look(Settings(), memory, PLENTY, seconds * SECOND).conditions == expected
        assert look(Settings(), memory, PLENTY, seconds * SECOND).shortfall is None


def test_memory_comes_before_everything_else() -> None:
    short = seen(PID=Observation(1, 32768), NODEFS=Observation(GI, 100 * GI), MEMORY=Observation(50 * MI, 16 * GI))
    outcome = look(Settings(), Memory(), short, 0)
    assert outcome.shortfall is not None
    assert outcome.shortfall.resource == "memory"
    assert outcome.conditions == ("DiskPressure", "MemoryPressure", "PIDPressure")


def test_a_soft_threshold_waits_for_its_grace_and_starts_afresh_after_a_pause() -> None:
    settings = Settings(soft={"memory.available": "1Gi"}, soft_grace_seconds={"memory.available": 90})
    short = seen(MEMORY=Observation(900 * MI, 16 * GI))
    memory = Memory()
    for seconds, readings, due in (
        (0, short, False),
        (80, short, False),
        (85, PLENTY, False),
        (90, short, False),
        (170, short, False),
        (180, short, True),
    ):
        outcome = look(settings, memory, readings, seconds * SECOND)
        memory = outcome.memory
        assert (outcome.shortfall is not None) is due, seconds
    assert outcome.shortfall is not None
    assert not outcome.shortfall.threshold.hard


def test_minimum_reclaim_must_be_reached_before_it_is_over() -> None:
    settings = Settings(minimum_reclaim={"memory.available": "500Mi"})
    memory = look(settings, Memory(), seen(MEMORY=Observation(50 * MI, 16 * GI)), 0).memory
    between = look(settings, memory, seen(MEMORY=Observation(300 * MI, 16 * GI)), 10 * SECOND)
    assert between.shortfall is not None
    beyond = look(settings, between.memory, seen(MEMORY=Observation(601 * MI, 16 * GI)), 20 * SECOND)
    assert beyond.shortfall is None
    assert not resolved(settings, seen(MEMORY=Observation(300 * MI, 16 * GI)))
    assert resolved(settings, PLENTY)


def test_a_signal_that_cannot_be_read_evicts_nobody() -> None:
    assert look(Settings(), Memory(), {}, 0).shortfall is None


# --- ranking ---------------------------------------------------------------------------------------------------------


def test_memory_first_who_exceeds_his_request_then_priority_then_how_far() -> None:
    pods = [
        using(a_pod("within", memory="100Mi"), memory=90 * MI),
        using(a_pod("important", priority=10), memory=500 * MI),
        using(a_pod("little", memory="100Mi"), memory=101 * MI),
        using(a_pod("much", memory="100Mi"), memory=300 * MI),
    ]
    assert names(ranked(Signal.MEMORY, pods)) == ["much", "little", "important", "within"]


def test_processes_first_priority_then_number() -> None:
    pods = [
        using(a_pod("few"), processes=3),
        using(a_pod("many"), processes=30),
        using(a_pod("important", priority=1), processes=300),
    ]
    assert names(ranked(Signal.PID, pods)) == ["many", "few", "important"]


def test_disk_counts_layers_logs_and_volumes_as_the_file_systems_lie() -> None:
    layers, logs = using(a_pod("layers"), layer=5 * MI), using(a_pod("logs"), logs=9 * MI)
    cache = using(a_pod("cache", ephemeral_storage="4Mi"), cache=7 * MI)
    pods = [layers, logs, cache]
    assert names(ranked(Signal.NODEFS, pods)) == ["logs", "layers", "cache"]
    assert names(ranked(Signal.NODEFS, pods, own_imagefs=True))[:2] == ["logs", "cache"]
    assert names(ranked(Signal.IMAGEFS, pods, own_imagefs=True))[0] == "layers"


# --- choosing --------------------------------------------------------------------------------------------------------


def chosen(settings: Settings, short: dict[Signal, Observation], pods: list[PodUsage], **kind: Any) -> Any:
    outcome = look(settings, Memory(), short, 0)
    assert outcome.shortfall is not None
    return choose(settings, outcome.shortfall, short, pods, **kind)


def test_the_kubelets_words_about_memory() -> None:
    short = seen(MEMORY=Observation(50 * MI, 16 * GI))
    victim, eviction = chosen(Settings(), short, [using(a_pod(memory="64Mi"), memory=200 * MI)])
    assert victim.pod.metadata.name == "web"
    assert eviction.message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container app was using 200Mi, request is 64Mi, has larger consumption of memory. "
    )
    assert (eviction.grace_seconds, eviction.pressure) == (1, True)


def test_the_words_about_a_pod_with_resources_of_its_own() -> None:
    pod = a_pod()
    pod.spec.resources = ResourceRequirements(requests={"memory": "100Mi"}, limits={"memory": "300Mi"})
    _, eviction = chosen(Settings(), seen(MEMORY=Observation(0, 16 * GI)), [using(pod, memory=200 * MI)])
    assert "available: 0. Pod web was using 200Mi, request is 100Mi, has larger consumption of memory. " in (
        eviction.message
    )


def test_the_words_about_disk_and_inodes() -> None:
    _, eviction = chosen(Settings(), seen(NODEFS=Observation(5 * GI, 100 * GI)), [using(a_pod(), layer=MI, logs=MI)])
    assert eviction.message == (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 5Gi. "
        "Container app was using 2Mi, request is 0, has larger consumption of ephemeral-storage. "
    )
    _, eviction = chosen(Settings(), seen(NODEFS_INODES=Observation(10, 1000)), [using(a_pod())])
    assert eviction.message == "The node was low on resource: inodes. Threshold quantity: 50, available: 10. "


def test_soft_evictions_give_time_but_not_more_than_allowed() -> None:
    short = seen(MEMORY=Observation(900 * MI, 16 * GI))
    for most, own, given in ((60, 30, 30), (10, 30, 10), (0, 30, 0)):
        settings = Settings(
            soft={"memory.available": "1Gi"}, soft_grace_seconds={"memory.available": 1}, max_pod_grace_seconds=most
        )
        before = look(settings, Memory(), short, 0).memory
        outcome = look(settings, before, short, SECOND)
        assert outcome.shortfall is not None
        found = choose(settings, outcome.shortfall, short, [using(a_pod(grace=own), memory=MI)])
        assert found is not None
        assert found[1].grace_seconds == given


def test_static_pods_and_critical_ones_stay() -> None:
    static, critical = a_pod("static"), a_pod("critical", priority=2_000_000_000)
    static.metadata.annotations = {"kubernetes.io/config.mirror": "x"}
    short = seen(MEMORY=Observation(0, 16 * GI))
    pods = [using(pod, memory=GI) for pod in (static, critical)]
    assert chosen(Settings(), short, pods) is None
    pretender = a_pod("pretender")
    pretender.metadata.annotations = {"kubernetes.io/config.source": "file"}
    victim, _ = chosen(Settings(), short, [*pods, using(pretender)])
    assert victim.pod.metadata.name == "pretender"


# --- new pods --------------------------------------------------------------------------------------------------------


def test_who_is_not_taken_under_pressure() -> None:
    assert refuse(a_pod(), ()) is None
    found = refuse(a_pod(), ("MemoryPressure",))
    assert found is not None
    assert (found.reason, found.message) == ("Evicted", "The node had condition: [MemoryPressure]. ")
    assert refuse(a_pod(memory="1Mi"), ("MemoryPressure",)) is None
    assert refuse(a_pod(memory="1Mi"), ("DiskPressure",)) is not None
    assert refuse(a_pod(priority=2_000_000_000), ("DiskPressure",)) is None
    tolerant = a_pod()
    tolerant.spec.tolerations = [Toleration(key="node.kubernetes.io/memory-pressure", operator="Exists")]
    assert refuse(tolerant, ("MemoryPressure",)) is None
    assert refuse(tolerant, ("DiskPressure", "MemoryPressure")) is not None
