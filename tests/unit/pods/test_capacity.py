"""What of the machine pods may ask for."""

from __future__ import annotations

from pathlib import Path

from pyrt.config import Config, parse_config
from pyrt.pods.allocation import Allocatable, Demand
from pyrt.pods.capacity import allocatable, machine, resource_list

MI, GI = 1 << 20, 1 << 30
MACHINE = Demand(4000, 16 * GI, 100 * GI, (("hugepages-2Mi", 512 * MI),))


def test_what_must_stay_free_and_huge_pages_are_not_for_pods() -> None:
    room = allocatable(MACHINE, Config())
    assert room == Allocatable(Demand(4000, 16 * GI - 100 * MI - 512 * MI, 90 * GI, MACHINE.hugepages), 1000)


def test_what_is_reserved_is_not_either() -> None:
    text = '[node]\nmax_pods = 7\nreserved = { cpu = "500m", memory = "1Gi", ephemeral-storage = "10Gi" }\n'
    room = allocatable(MACHINE, parse_config(text + "[eviction]\nenabled = false\n"))
    assert room == Allocatable(Demand(3500, 15 * GI - 512 * MI, 90 * GI, MACHINE.hugepages), 7)
    all_of_it = parse_config('[node]\nreserved = { memory = "64Gi" }\n')
    assert allocatable(MACHINE, all_of_it).demand.memory == 0


def test_as_a_node_tells_it() -> None:
    assert resource_list(Allocatable(MACHINE, 110)) == {
        "cpu": "4",
        "ephemeral-storage": f"{100 * GI // 1024}Ki",
        "hugepages-2Mi": "512Mi",
        "memory": f"{16 * GI // 1024}Ki",
        "pods": "110",
    }


def test_a_real_machine(tmp_path: Path) -> None:
    found = machine(tmp_path / "not" / "there")
    assert found.milli_cpu >= 1000
    assert min(found.memory, found.storage) > 0
