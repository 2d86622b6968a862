"""Counters in CRI's messages."""

from __future__ import annotations

from pyrt.cgroups import CgroupStats
from pyrt.cgroups.stats import Pressure, Pressures, Stall
from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.metric_families import BASE_LABELS, FAMILIES, INTERFACE_FAMILIES
from pyrt.cri.usage_messages import cpu_usage, io_usage, memory_usage, network_usage, swap_usage
from pyrt.runtime.stats import InterfaceStats


def interface(name: str) -> InterfaceStats:
    return InterfaceStats(name, 1, 2, 3, 4, 5, 6, 7, 8)


def test_what_is_available_of_a_limit() -> None:
    limited = CgroupStats(memory_working_set=30, memory_limit=100, swap_usage=5, swap_limit=20)
    assert memory_usage(1, limited, None).available_bytes.value == 70
    assert swap_usage(1, limited).swap_available_bytes.value == 15
    over = CgroupStats(memory_working_set=130, memory_limit=100)
    assert memory_usage(1, over, None).available_bytes.value == 0


def test_nothing_is_told_to_be_available_without_a_limit() -> None:
    assert not memory_usage(1, CgroupStats(), None).HasField("available_bytes")
    assert not swap_usage(1, CgroupStats()).HasField("swap_available_bytes")


def test_pressure() -> None:
    pressure = Pressure(Stall(5000, 1.5, 2.5, 3.5), Stall(4000, 0.5, 0.25, 0.125))
    usage = cpu_usage(7, CgroupStats(cpu_usage_ns=3), 4, pressure)
    assert (usage.timestamp, usage.usage_core_nano_seconds.value, usage.usage_nano_cores.value) == (7, 3, 4)
    assert usage.psi.Some == cri.PsiData(Total=5000, Avg10=1.5, Avg60=2.5, Avg300=3.5)
    assert usage.psi.Full.Total == 4000
    io = io_usage(7, Pressures(io=pressure))
    assert io is not None
    assert io.psi == usage.psi


def test_no_pressure_where_the_kernel_does_not_know_it() -> None:
    assert not cpu_usage(1, CgroupStats(), None, None).HasField("psi")
    assert not cpu_usage(1, CgroupStats(), None, None).HasField("usage_nano_cores")
    assert io_usage(1, Pressures()) is None


def test_the_default_interface() -> None:
    assert network_usage(1, [interface("net1"), interface("eth0")]).default_interface.name == "eth0"
    assert network_usage(1, [interface("net1"), interface("net2")]).default_interface.name == "net1"
    assert not network_usage(1, []).HasField("default_interface")
    eth0 = network_usage(1, [interface("eth0")]).default_interface
    assert (eth0.rx_bytes.value, eth0.rx_errors.value, eth0.tx_bytes.value, eth0.tx_errors.value) == (1, 3, 5, 7)


def test_every_metric_has_a_name_of_its_own() -> None:
    names = [one.name for one in (*FAMILIES, *INTERFACE_FAMILIES)]
    assert len(set(names)) == len(names)
    assert all(one.name.startswith("container_") and one.help.endswith(".") for one in FAMILIES)
    assert all(one.name.endswith("_total") for one in INTERFACE_FAMILIES)
    assert not any(set(one.labels) & set(BASE_LABELS) for one in FAMILIES)
