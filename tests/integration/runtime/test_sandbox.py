"""What a pod's containers share, and what they see of the pod."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
from pathlib import Path

import pytest

from pyrt.ids import ContainerId
from pyrt.runtime.config import DnsConfig, Mount, NamespaceMode, TmpfsMount
from pyrt.runtime.errors import InvalidConfigError, SandboxError, StateError
from pyrt.runtime.status import EventKind, SandboxState

from .conftest import Host, until


def namespace(pid: int, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def dead(pid: int) -> bool:
    """Gone, or a zombie that the machine's first process will reap when it likes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.core
async def test_containers_share_network_ipc_and_uts_and_nothing_else(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    pids = [
        host.runtime.container_status(await host.start(sandbox.id, "sleep", "1000", name=name)).pid for name in "ab"
    ]
    for kind in ("net", "ipc", "uts"):
        assert namespace(pids[0], kind) == namespace(pids[1], kind) != namespace(os.getpid(), kind)
    for kind in ("mnt", "pid", "cgroup"):
        assert len({namespace(pids[0], kind), namespace(pids[1], kind), namespace(os.getpid(), kind)}) == 3


async def test_each_container_is_the_first_process_of_its_own(host: Host) -> None:
    assert await host.prints("sh", "-c", "echo $$") == "1"


@pytest.mark.core
async def test_a_shared_pid_namespace_shows_every_process_and_reaps_orphans(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox(pid=NamespaceMode.POD))
    one = await host.start(sandbox.id, "sleep", "1001", name="one")
    two = await host.start(sandbox.id, "sleep", "1002", name="two")
    processes = await host.inside(two, "ps", "-o", "pid,args")
    assert "sleep 1001" in processes
    assert "sleep 1002" in processes
    assert "pyrt-pause" in processes.splitlines()[1]
    await host.inside(one, "sh", "-c", "(sleep 0 & ) ; :")
    reaped = "while cat /proc/[0-9]*/stat | grep -q ') Z '; do sleep 0.01; done"
    assert (await host.runtime.exec_sync(two, ("sh", "-c", reaped), timeout=10)).exit_code == 0
    await host.runtime.stop_container(one, 0)
    assert host.runtime.container_status(one).exit_code == 137
    assert "sleep 1001" not in await host.inside(two, "ps", "-o", "args")


async def test_the_shared_first_process_cannot_be_written_through(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox(pid=NamespaceMode.POD))
    container = await host.start(sandbox.id, "sleep", "1000")
    result = await host.runtime.exec_sync(container, ("sh", "-c", "echo x > /proc/1/exe; ls /proc/1/root/"))
    assert result.exit_code != 0
    assert b"x" not in result.stdout


async def test_host_namespaces(host: Host) -> None:
    modes = {"network": NamespaceMode.NODE, "pid": NamespaceMode.NODE, "ipc": NamespaceMode.NODE}
    sandbox = await host.runtime.run_sandbox(host.sandbox(**modes, hosts=None))
    assert sandbox.addresses == ()
    pid = host.runtime.container_status(await host.start(sandbox.id, "sleep", "1000")).pid
    for kind in ("net", "ipc", "uts", "pid"):
        assert namespace(pid, kind) == namespace(os.getpid(), kind)
    assert namespace(pid, "mnt") != namespace(os.getpid(), "mnt")


async def test_hostname(host: Host) -> None:
    output = await host.prints("sh", "-c", "hostname; cat /etc/hostname; echo $HOSTNAME", sandbox={"hostname": "web-0"})
    assert output.split() == ["web-0"] * 3


async def test_hosts_file_names_the_pod_before_the_aliases(host: Host) -> None:
    text = "127.0.0.1\tlocalhost\n\n# Entries added by HostAliases.\n10.1.2.3\tdb\n"
    edit = {"hosts": text, "hostname": "web", "fqdn": "web.sub.default.svc.cluster.local"}
    sandbox, container = await host.runtime.run_pod(host.sandbox(**edit), host.container("cat", "/etc/hosts"))
    await host.runtime.wait_container(container)
    lines = host.output(container).split("\n")
    own = 1 + len(sandbox.addresses)
    assert lines[1:own] == [f"{address}\tweb.sub.default.svc.cluster.local\tweb" for address in sandbox.addresses]
    assert lines[own:] == ["", "# Entries added by HostAliases.", "10.1.2.3\tdb"]


async def test_resolv_conf(host: Host) -> None:
    dns = DnsConfig(("10.0.0.10", "fd00::1"), ("a.example", "example"), ("ndots:5", "edns0"))
    output = await host.prints("cat", "/etc/resolv.conf", sandbox={"dns": dns})
    assert output == "search a.example example\nnameserver 10.0.0.10\nnameserver fd00::1\noptions ndots:5 edns0"


async def test_resolv_conf_of_the_host(host: Host) -> None:
    output = await host.prints("cat", "/etc/resolv.conf", sandbox={"dns": None})
    assert output == host.config.node.resolv_conf.read_text().rstrip("\n")


@pytest.mark.core
async def test_sysctls_hold_in_the_pod_only(host: Host) -> None:
    before = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    sysctls = {"net.ipv4.ip_local_port_range": "1024 60999", "kernel.shm_rmid_forced": "1"}
    output = await host.prints(
        "cat",
        "/proc/sys/net/ipv4/ip_local_port_range",
        "/proc/sys/kernel/shm_rmid_forced",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        sandbox={"sysctls": sysctls},
    )
    assert output.split() == ["1024", "60999", "1", "0"]
    assert Path("/proc/sys/net/ipv4/ip_local_port_range").read_text() == before


async def test_an_unknown_sysctl_undoes_the_sandbox(host: Host) -> None:
    with pytest.raises(SandboxError, match=r"pod default/pod0: set sysctl net\.nosuch = 1: No such file or directory"):
        await host.runtime.run_sandbox(host.sandbox(sysctls={"net.nosuch": "1"}))
    assert host.runtime.list_sandboxes() == []
    await host.runtime.drained()


async def test_shared_memory_is_the_pods(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox(shm_size=1 << 20))
    one = await host.start(sandbox.id, "sh", "-c", "echo hello > /dev/shm/x; exec sleep 1000", name="one")
    two = await host.start(sandbox.id, "sleep", "1000", name="two")
    assert await host.inside(one, "cat", "/dev/shm/x") == "hello"
    assert await host.inside(two, "cat", "/dev/shm/x") == "hello"
    assert "1.0M" in await host.inside(two, "df", "-h", "/dev/shm")
    assert "1777" in await host.inside(two, "stat", "-c", "%a", "/dev/shm")


@pytest.mark.core
async def test_memory_volume_is_shared_limited_and_unseen_by_the_host(host: Host, workdir: Path) -> None:
    directory = workdir / "memory"
    directory.mkdir()
    sandbox = await host.runtime.run_sandbox(host.sandbox(tmpfs_mounts=(TmpfsMount(directory, 1 << 20, 0o777),)))
    mounts = (Mount("/cache", directory),)
    one = await host.start(sandbox.id, "sleep", "1000", name="one", mounts=mounts)
    two = await host.start(sandbox.id, "sleep", "1000", name="two", mounts=mounts)
    await host.inside(one, "sh", "-c", "echo hello > /cache/x")
    assert await host.inside(two, "cat", "/cache/x") == "hello"
    full = await host.runtime.exec_sync(two, ("dd", "if=/dev/zero", "of=/cache/y", "bs=64k", "count=100"))
    assert b"No space left on device" in full.stderr
    assert list(directory.iterdir()) == []


async def _wait_for_port(host: Host, container: ContainerId, port: int) -> None:
    """Until somebody in the pod listens on ``port``."""
    loop = f"until grep -q ':{port:04X} 00000000' /proc/net/tcp /proc/net/tcp6; do sleep 0.01; done"
    await host.runtime.exec_sync(container, ("sh", "-c", loop), timeout=10)


async def _get(connection: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    await loop.sock_sendall(connection, b"GET /index.html HTTP/1.0\r\n\r\n")
    answer = b""
    while chunk := await loop.sock_recv(connection, 4096):
        answer += chunk
    return answer


_SERVE = "mkdir /www; echo pong > /www/index.html; exec httpd -f -h /www -p {}"


@pytest.mark.core
async def test_the_host_reaches_the_pod_by_each_of_its_addresses(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("sh", "-c", _SERVE.format(8080)))
    await _wait_for_port(host, container, 8080)
    assert sandbox.addresses
    for address in sandbox.addresses:
        with socket.create_connection((address, 8080), timeout=10) as connection:
            assert (await _get(connection)).endswith(b"pong\n")


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_port_forward_reaches_localhost_of_the_pod(host: Host, address: str) -> None:
    command = ("sh", "-c", _SERVE.format(f"{address}:9090"))
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container(*command))
    await _wait_for_port(host, container, 9090)
    with await host.runtime.connect(sandbox.id, 9090) as connection:
        assert (await _get(connection)).endswith(b"pong\n")


async def test_port_forward_to_nobody_is_refused(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    with pytest.raises(StateError, match="pod default/pod0: connect to localhost:9 inside: Connection refused"):
        await host.runtime.connect(sandbox.id, 9)


async def test_one_sandbox_for_each_attempt(host: Host) -> None:
    config = host.sandbox()
    first, same = await asyncio.gather(host.runtime.run_sandbox(config), host.runtime.run_sandbox(config))
    assert first.id == same.id == (await host.runtime.run_sandbox(config)).id
    next_attempt = dataclasses.replace(
        config, metadata=dataclasses.replace(config.metadata, attempt=1), cgroup_parent="burstable/other"
    )
    assert (await host.runtime.run_sandbox(next_attempt)).id != first.id


@pytest.mark.core
async def test_stop_and_remove_are_idempotent(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    await host.runtime.stop_sandbox(sandbox.id)
    await host.runtime.stop_sandbox(sandbox.id)
    assert host.runtime.sandbox_status(sandbox.id).state is SandboxState.NOT_READY
    await host.runtime.remove_sandbox(sandbox.id)
    await host.runtime.remove_sandbox(sandbox.id)
    await host.runtime.stop_sandbox(sandbox.id)
    assert host.runtime.list_sandboxes() == []


async def test_events_in_order(host: Host) -> None:
    seen: list[tuple[EventKind, bool]] = []
    host.runtime.subscribe(lambda event: seen.append((event.kind, event.container_id is not None)))
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("true"))
    await host.runtime.wait_container(container)
    await host.runtime.remove_sandbox(sandbox.id)
    pod = [kind for kind, of_container in seen if not of_container]
    app = [kind for kind, of_container in seen if of_container]
    assert pod == app == [EventKind.CREATED, EventKind.STARTED, EventKind.STOPPED, EventKind.DELETED]
    assert seen[0] == (EventKind.CREATED, False)


@pytest.mark.core
@pytest.mark.parametrize("mode", [NamespaceMode.CONTAINER, NamespaceMode.POD])
async def test_the_death_of_the_pod_process_takes_the_pod_and_is_told(host: Host, mode: NamespaceMode) -> None:
    command = ("sh", "-c", "trap '' TERM; while :; do sleep 1000; done")
    sandbox, container = await host.runtime.run_pod(host.sandbox(pid=mode), host.container(*command))
    pid = host.runtime.container_status(container).pid
    session = await host.runtime.exec(container, ("sleep", "1000"))
    os.kill(sandbox.pid, 9)
    status = await host.runtime.wait_container(container)
    assert status.exit_code == 137
    assert host.runtime.sandbox_status(sandbox.id).state is SandboxState.NOT_READY
    await until(lambda: dead(pid) and dead(session.pid))
    session.close()


@pytest.mark.parametrize("edit", [{"cgroup_parent": "../x"}, {"cgroup_parent": ""}, {"hostname": "x" * 65}])
async def test_nonsense_is_refused_before_anything_is_made(host: Host, edit: dict[str, str]) -> None:
    with pytest.raises(InvalidConfigError):
        await host.runtime.run_sandbox(host.sandbox(**edit))
    assert host.runtime.list_sandboxes() == []
