"""Room on the node: who fits, and what a pod was given."""

from __future__ import annotations

from pyrt.kube.container import Container
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.resources import ResourceRequirements
from pyrt.pods.allocation import (
    Allocatable,
    Demand,
    allocated_spec,
    allocation_of,
    demand_of,
    grows,
    postponement,
    refusal,
    shortage,
    total,
    turn,
)

NODE = Allocatable(Demand(2000, 4 << 30, 10 << 30, (("hugepages-2Mi", 4 << 20),)), 3)


def container(name: str = "app", restart: str | None = None, **requests: str) -> Container:
    figures = {key.replace("_", "-"): text for key, text in requests.items()}
    return Container(name=name, image="x", restart_policy=restart, resources=ResourceRequirements(requests=figures))


def test_demand_is_the_sum_or_the_peak_of_initialisation() -> None:
    spec = PodSpec(
        init_containers=[container("first", cpu="900m"), container("side", "Always", cpu="100m", memory="1Mi")],
        containers=[container(cpu="200m", memory="2Mi"), container("b", cpu="300m", ephemeral_storage="3Mi")],
    )
    assert demand_of(spec) == Demand(900, 3 << 20, 3 << 20)


def test_resources_of_the_pod_itself_and_its_overhead() -> None:
    spec = PodSpec(
        containers=[container(cpu="200m", ephemeral_storage="1Mi")],
        resources=ResourceRequirements(requests={"cpu": "1", "memory": "64Mi"}),
        overhead={"cpu": "50m"},
    )
    assert demand_of(spec) == Demand(1050, 64 << 20, 1 << 20)


def test_what_is_short_first() -> None:
    used = Demand(1500, 1 << 30, 0)
    assert shortage(Demand(500), used, 1, NODE) is None
    found = shortage(Demand(501), used, 1, NODE)
    assert found is not None
    assert refusal(found).reason == "OutOfcpu"
    assert refusal(found).message == (
        "Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000"
    )
    memory = shortage(Demand(0, 4 << 30), used, 1, NODE)
    assert memory is not None
    assert refusal(memory).reason == "OutOfmemory"
    pods = shortage(Demand(), Demand(), 3, NODE)
    assert pods is not None
    assert refusal(pods).message == "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
    pages = shortage(Demand(hugepages=(("hugepages-1Gi", 1 << 30),)), used, 1, NODE)
    assert pages is not None
    assert refusal(pages).reason == "OutOfhugepages-1Gi"


def test_nothing_asked_always_fits_beside_what_is_too_much_already() -> None:
    assert shortage(Demand(), Demand(9000, 9 << 30), 1, NODE) is None


def test_a_resize_waits_or_is_never_possible() -> None:
    later = shortage(Demand(600), Demand(1500), 0, NODE)
    never = shortage(Demand(2001), Demand(), 0, NODE)
    assert later is not None
    assert never is not None
    assert postponement(later).reason == "Deferred"
    assert postponement(never).reason == "Infeasible"
    assert postponement(never).message == "Node didn't have enough capacity: cpu, requested: 2001, capacity: 2000"


def test_sums_keep_huge_pages_apart() -> None:
    pages = (("hugepages-2Mi", 2 << 20),)
    assert total([Demand(1, 2, 3, pages), Demand(1, 1, 1, pages)]) == Demand(2, 3, 4, (("hugepages-2Mi", 4 << 20),))


def test_who_is_looked_at_first() -> None:
    def pod(priority: int = 0) -> Pod:
        return Pod(metadata=ObjectMeta(name="x"), spec=PodSpec(containers=[container(cpu="1m")], priority=priority))

    shrinking = turn(pod(), growing=False, since="")
    important = turn(pod(5), growing=True, since="2026-01-02T00:00:00Z")
    early, late = (turn(pod(), growing=True, since=f"2026-01-0{day}T00:00:00Z") for day in (1, 2))
    assert sorted([late, early, important, shrinking]) == [shrinking, important, early, late]
    assert not grows(Demand(100, 5), Demand(100, 5))
    assert grows(Demand(100, 5), Demand(50, 6))


def test_an_allocation_is_put_back_into_the_spec() -> None:
    pod = Pod(
        metadata=ObjectMeta(name="web", generation=3),
        spec=PodSpec(init_containers=[container("init", cpu="1")], containers=[container(cpu="100m")]),
    )
    given = allocation_of(pod, done=True)
    assert (given.generation, list(given.containers)) == (3, ["app"])
    wanted = PodSpec(init_containers=[container("init", cpu="1")], containers=[container(cpu="900m")])
    assert allocated_spec(wanted, given) == pod.spec
