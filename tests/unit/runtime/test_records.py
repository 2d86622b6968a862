"""Records survive the database as they were."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pyrt.ids import ContainerId, Digest, ImageId, SandboxId
from pyrt.images.types import Image, ImageConfig
from pyrt.network.types import HostPort
from pyrt.runtime.config import (
    ContainerConfig,
    ContainerSecurity,
    Device,
    DnsConfig,
    Mount,
    NamespaceMode,
    PodMetadata,
    Propagation,
    Resources,
    SandboxConfig,
    Seccomp,
    TmpfsMount,
)
from pyrt.runtime.records import ContainerRecord, RecordTables, SandboxRecord
from pyrt.runtime.status import ContainerState, SandboxState
from pyrt.store import Store

SANDBOX = SandboxRecord(
    id=SandboxId("a" * 64),
    config=SandboxConfig(
        metadata=PodMetadata("web", "default", "uid", 2),
        hostname="web",
        log_directory=Path("/var/log/pods/x"),
        dns=DnsConfig(("1.1.1.1",), ("a",), ("ndots:5",)),
        hosts="x",
        host_ports=(HostPort("tcp", 80, 8080, "127.0.0.1"),),
        pid=NamespaceMode.POD,
        cgroup_parent="burstable/poduid",
        resources=Resources(memory_limit=1, hugepage_limits={"2MB": 1}, unified={"a.b": "c"}),
        sysctls={"a": "b"},
        labels={"l": "v"},
        tmpfs_mounts=(TmpfsMount(Path("/m"), 1),),
    ),
    created_at=5,
    addresses=(str(IPv4Address("10.0.0.2")),),
    boot="boot",
)
CONTAINER = ContainerRecord(
    id=ContainerId("b" * 64),
    sandbox_id=SANDBOX.id,
    config=ContainerConfig(
        name="app",
        attempt=3,
        image=Image(
            ImageId("sha256:0"), Digest("sha256:1"), ("t",), ("d",), 9, ImageConfig(env=("A=b",)), (Path("/l"),)
        ),
        image_ref="x",
        log_path=Path("app/3.log"),
        command=("a", "b"),
        env=(("A", "ü"),),
        mounts=(Mount("/v", Path("/h"), propagation=Propagation.BIDIRECTIONAL, sub_path="s"),),
        devices=(Device("/dev/x", Path("/dev/null")),),
        security=ContainerSecurity(
            seccomp=Seccomp("Localhost", Path("p.json")), rlimits={"RLIMIT_CPU": (1, 2)}, run_as_user=0
        ),
    ),
    created_at=6,
    state=ContainerState.EXITED,
    exit_code=3,
    reason="Error",
)


@pytest.fixture
def tables(tmp_path: Path) -> RecordTables:
    return RecordTables(Store(tmp_path))


def test_round_trip(tables: RecordTables) -> None:
    tables.put_sandbox(SANDBOX)
    tables.put_container(CONTAINER)
    assert tables.load() == ([SANDBOX], [CONTAINER])
    tables.delete_container(CONTAINER.id)
    tables.delete_sandbox(SANDBOX.id)
    assert tables.load() == ([], [])


def test_a_sandbox_is_ready_while_its_process_runs() -> None:
    record = SandboxRecord(id=SANDBOX.id, config=SANDBOX.config, created_at=1)
    assert record.status().state is SandboxState.NOT_READY
    record.pod_pid = 7
    assert record.status().state is SandboxState.READY
    record.stopped = True
    assert record.status().state is SandboxState.NOT_READY


def test_status_is_the_record() -> None:
    status = CONTAINER.status()
    assert (status.id, status.exit_code, status.reason, status.config) == (CONTAINER.id, 3, "Error", CONTAINER.config)
    assert replace(status, exit_code=0) != status
