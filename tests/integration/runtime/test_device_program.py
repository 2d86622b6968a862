"""The BPF program for devices, attached to a real cgroup v2 (on a hybrid machine too, where that mount has no
controllers).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrt import _native
from pyrt.cgroups.detect import detect
from pyrt.cgroups.device_program import DevicePrograms, assemble
from pyrt.cgroups.errors import CgroupError
from pyrt.runtime.container_devices import device_rules
from pyrt.spec import LinuxDeviceCgroup

from .conftest import Host

pytestmark = pytest.mark.core

NULL, ZERO, KMSG = "/dev/null", "/dev/zero", "/dev/kmsg"


@pytest.fixture
def programs() -> Iterator[DevicePrograms]:
    programs = DevicePrograms()
    if not programs.supported():
        pytest.skip("this kernel has no CONFIG_CGROUP_BPF")
    yield programs
    programs.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    unified = detect().unified
    if unified is None:
        pytest.skip("no cgroup2 mount")
    path = Path(unified, f"pyrt-device-test-{os.getpid()}")
    path.mkdir()
    yield path
    path.rmdir()


def opens(directory: Path, *attempts: tuple[str, int]) -> list[bool]:
    """Whether a process in the cgroup can open each path with each mode."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            (directory / "cgroup.procs").write_text("0")
            for path, mode in attempts:
                try:
                    os.open(path, mode)
                except PermissionError:
                    os.write(write, b"n")
                else:
                    os.write(write, b"y")
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read, "rb") as answers:
        return [answer == ord("y") for answer in answers.read()]


def test_the_default_rules(directory: Path, programs: DevicePrograms, host: Host) -> None:
    programs.attach(str(directory), device_rules(host.container("true")))
    attempts = [(NULL, os.O_RDWR), (ZERO, os.O_RDONLY), (KMSG, os.O_RDWR), (KMSG, os.O_RDONLY)]
    assert opens(directory, *attempts) == [True, True, False, False]


def test_read_only(directory: Path, programs: DevicePrograms) -> None:
    rules = (
        LinuxDeviceCgroup(allow=False, type="a", access="rwm"),
        LinuxDeviceCgroup(allow=True, type="c", major=1, minor=3, access="r"),
    )
    programs.attach(str(directory), rules)
    attempts = [(NULL, os.O_RDONLY), (NULL, os.O_WRONLY), (NULL, os.O_RDWR), (ZERO, os.O_RDONLY)]
    assert opens(directory, *attempts) == [True, False, False, False]


@pytest.mark.parametrize("allow", [True, False])
@pytest.mark.parametrize("kind", ["a", "b", "c"])
@pytest.mark.parametrize("major", [None, 1])
@pytest.mark.parametrize("minor", [None, 3])
@pytest.mark.parametrize("access", ["r", "rw", "rwm"])
def test_every_shape_of_rule_passes_the_verifier(
    programs: DevicePrograms, allow: bool, kind: str, major: int | None, minor: int | None, access: str
) -> None:
    rule = LinuxDeviceCgroup(allow=allow, type=kind, major=major, minor=minor, access=access)
    for rules in ((rule,), (rule, rule), (LinuxDeviceCgroup(allow=False), rule), (rule, LinuxDeviceCgroup(allow=True))):
        os.close(_native.bpf_load_device(assemble(rules)))


def test_an_error_names_the_cgroup(programs: DevicePrograms) -> None:
    with pytest.raises(CgroupError, match="attach device program to /nonexistent: No such file or directory"):
        programs.attach("/nonexistent", ())
