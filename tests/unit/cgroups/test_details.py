"""The files that only metrics need."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrt.cgroups.details import parse_io_stat, parse_pressure, parse_throttle, size_name, v1_details, v2_details
from pyrt.cgroups.stats import CgroupDetails, DeviceIo, Pressure, Stall


def test_pressure() -> None:
    text = "some avg10=1.50 avg60=0.20 avg300=0.03 total=12345\nfull avg10=0.00 avg60=0.00 avg300=0.01 total=45\n"
    assert parse_pressure(text) == Pressure(Stall(12345000, 1.5, 0.2, 0.03), Stall(45000, 0.0, 0.0, 0.01))
    assert parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n") == Pressure(Stall(1000), Stall())
    assert parse_pressure("") is None


def test_io_of_v2() -> None:
    text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0\n252:0 rbytes=9\n"
    assert parse_io_stat(text) == (DeviceIo("8:0", 1, 2, 3, 4), DeviceIo("7:0"), DeviceIo("252:0", 9))


def test_io_of_v1() -> None:
    size = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 0\n8:0 Total 12288\nTotal 12288\n"
    count = "8:0 Read 1\n8:0 Write 2\n8:16 Read 7\nTotal 10\n"
    assert parse_throttle(size, count) == (DeviceIo("8:0", 4096, 8192, 1, 2), DeviceIo("8:16", 0, 0, 7, 0))
    assert parse_throttle("Total 0\n", "Total 0\n") == ()


@pytest.mark.parametrize(("size", "name"), [(2 << 20, "2MB"), (1 << 30, "1GB"), (64 << 10, "64KB"), (16 << 30, "16GB")])
def test_sizes_as_the_kernel_writes_them(size: int, name: str) -> None:
    assert size_name(size) == name


def test_a_cgroup_that_is_gone(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for found in (v1_details({"memory": gone, "blkio": gone}, gone), v2_details(gone)):
        assert (found.oom_kills, found.memory_failures, found.kernel_memory, found.io) == (0, 0, 0, ())


def test_v2(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n")
    (tmp_path / "memory.stat").write_text("anon 1\nkernel 4096\n")
    found = v2_details(str(tmp_path))
    assert isinstance(found, CgroupDetails)
    assert (found.oom_kills, found.memory_failures, found.kernel_memory) == (1, 7, 4096)


def test_v1(tmp_path: Path) -> None:
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    (tmp_path / "memory.failcnt").write_text("11\n")
    (tmp_path / "memory.kmem.usage_in_bytes").write_text("8192\n")
    found = v1_details({"memory": str(tmp_path)}, "/nowhere")
    assert (found.oom_kills, found.memory_failures, found.kernel_memory) == (3, 11, 8192)
