"""A pod process of an earlier version: the daemon was upgraded, its pods run on."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pyrt.launch import operations as ops
from pyrt.launch.version import VERSION
from pyrt.runtime import protocol
from pyrt.runtime.poderrors import PodTooOldError
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.podstreams import ContainerIo

from .conftest import container_plan, encoded, exec_plan, sandbox_plan

NATIVE = Path(__file__).parents[3] / "native"


assert ops.TimeNamespace.SINCE == VERSION, "the newest operation is another one now: name it below"


@pytest.fixture(scope="session")
def old_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pyrt-pod as it would be of another version of the plan."""
    program = tmp_path_factory.mktemp("old") / "pyrt-pod"
    sources = [path for name in ("pod", "logpump", "protocol", "plan", "play") for path in NATIVE.glob(f"{name}*.c")]
    flags = ["-D_GNU_SOURCE", f"-DPLAN_VERSION={VERSION - 1}u", "-O1", "-w", "-static"]
    subprocess.run(["cc", *flags, "-o", program, *sources], check=True)
    return program


@pytest.fixture
async def old(old_program: Path, workdir: Path) -> AsyncIterator[PodProcess]:
    """One that has a sandbox, and to which the next daemon has connected."""
    run_dir = workdir / "run"
    run_dir.mkdir()
    netns = os.open("/proc/self/ns/net", os.O_RDONLY)
    first = PodProcess.spawn(run_dir, "default/old", host_netns=netns, executable=old_program)
    os.close(netns)
    await first.play(encoded(sandbox_plan()))
    first.close()
    next_one = await PodProcess.connect(run_dir)
    yield next_one
    await next_one.stop()


async def test_it_says_its_version(old: PodProcess) -> None:
    assert old.plan_version == VERSION - 1


async def test_what_it_knows_it_does(old: PodProcess, busybox_root: Path) -> None:
    await old.start("c", encoded(container_plan(busybox_root, "sleep", "1000")), ContainerIo())
    process = await old.exec("c", encoded(exec_plan("true")), stdout=False, stderr=False)
    assert (await process.wait()).exit_code == 0


async def test_what_it_does_not_know_is_told_in_words(old: PodProcess, busybox_root: Path) -> None:
    plan = container_plan(busybox_root, "sleep", "1000")
    # One that came with this version, and fails where it is known.
    newer = dataclasses.replace(plan, items=(ops.TimeNamespace(0, b"no"), *plan.items))
    words = "the pod was started by an earlier version of pyrt, .*create the pod anew \\(TimeNamespace\\)"
    with pytest.raises(PodTooOldError, match=words):
        await old.start("c", encoded(newer), ContainerIo())
    await old.start("c", encoded(plan), ContainerIo())
    joining = exec_plan("true")
    with pytest.raises(PodTooOldError, match=words):
        await old.exec("c", encoded(dataclasses.replace(joining, items=(ops.TimeNamespace(0, b"no"), *joining.items))))


async def test_one_that_says_nothing_is_of_the_first(old: PodProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before versions HELLO was answered with the number that stands for none."""
    decode = protocol.decode

    def as_before(packet: bytes) -> object:
        found = decode(packet)
        return found._replace(operation=protocol.NO_SLOT) if isinstance(found, protocol.Reply) else found

    monkeypatch.setattr(protocol, "decode", as_before)
    again = await PodProcess.connect(old.run_dir)
    assert again.plan_version == 1
    again.close()
