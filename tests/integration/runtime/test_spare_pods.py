"""Pod processes that wait for a pod: used once, for what they fit, and gone with the daemon."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pyrt.cgroups.detect import CgroupMode
from pyrt.runtime.config import NamespaceMode

from .conftest import Host, until


@pytest.fixture
async def spares(host: Host) -> object:
    pool = host.runtime._core.spare_pods
    if host.runtime._core.cgroups.hierarchies.mode is CgroupMode.V2:
        pytest.skip("pod processes are born in their cgroups here")
    await until(lambda: len(pool._ready) == 2)
    return pool


def processes(host: Host) -> list[str]:
    """Command lines of this instance's spares."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if bytes(host.config.paths.run / "next") in line:
                found.append(line.decode())
    return found


async def test_a_spare_becomes_the_pod(host: Host, spares: object) -> None:
    expected = spares._ready[0]
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    assert sandbox.id == expected.id
    name, path, _ = Path(f"/proc/{sandbox.pid}/cmdline").read_text().split("\0")
    meta = sandbox.config.metadata
    assert name.rstrip() == f"pyrt-pod {meta.namespace}/{meta.name}"
    assert path == str(host.config.paths.run / "pods" / sandbox.id)
    await until(lambda: len(spares._ready) == 2)
    assert sandbox.id not in {spare.id for spare in spares._ready}


async def test_the_host_network_wants_another(host: Host, spares: object) -> None:
    waiting = {spare.id for spare in spares._ready}
    sandbox = await host.runtime.run_sandbox(host.sandbox(network=NamespaceMode.NODE))
    assert sandbox.id not in waiting
    assert waiting <= {spare.id for spare in spares._ready}


async def test_one_that_died_is_not_used(host: Host, spares: object) -> None:
    dead = spares._ready[0]
    os.kill(dead.process.pid, signal.SIGKILL)
    await until(lambda: dead not in spares._ready)
    assert not (host.config.paths.run / "next" / dead.id).exists()
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    assert sandbox.id != dead.id


async def test_none_outlives_the_daemon(host: Host, spares: object) -> None:
    assert len(processes(host)) == 2
    for spare in spares._ready:
        spare.process.on_closed = None
        spare.process.close()  # what is left of a connection when the daemon is killed
    await until(lambda: not processes(host))
