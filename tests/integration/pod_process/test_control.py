"""The control socket: several clients, reconnecting, and input that is not of the protocol."""

# ruff: noqa: ASYNC110, ASYNC220 - what other processes do can only be looked for
from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrt.runtime import protocol
from pyrt.runtime.poderrors import PodGoneError, PodProcessError
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.protocol import ProcessPhase, SandboxPhase

from .conftest import Pod, container_plan, encoded, exec_plan, sandbox_plan


async def test_a_second_client_sees_the_state_and_hears_of_exits(pod: Pod) -> None:
    await pod.run("over", "/bin/sh", "-c", "exit 6")
    await pod.start("main", container_plan(pod.root, "/bin/sleep", "1000"))
    other = await PodProcess.connect(pod.process.run_dir)
    try:
        assert other.pid == pod.process.pid
        assert other.sandbox == SandboxPhase.READY
        assert {name: (item.phase, item.status) for name, item in other.processes.items()} == {
            "over": (ProcessPhase.EXITED, 6 << 8),
            "main": (ProcessPhase.RUNNING, 0),
        }
        heard = asyncio.get_running_loop().create_future()
        other.on_exit = lambda name, record: heard.set_result((name, record.exit_code))
        await other.signal("main", signal.SIGKILL)
        assert await asyncio.wait_for(heard, 30) == ("main", 137)
    finally:
        other.close()


@pytest.mark.core
async def test_nothing_is_lost_while_no_client_is_there(pod: Pod) -> None:
    lines = 200_000
    await pod.start(
        "talker",
        container_plan(pod.root, "/bin/sh", "-c", f"seq {lines}; exit 11"),
        log_max_size=1 << 20,
        log_max_files=0,
    )
    await pod.log_has("talker", b"100\n")
    pod.process.close()  # as good as a daemon's kill -9: the socket is gone
    async with asyncio.timeout(30):
        while not (pod.process.run_dir / "exits/talker").exists():
            await asyncio.sleep(0.01)
    pod.process = await PodProcess.connect(pod.process.run_dir)
    assert pod.process.processes["talker"].status == 11 << 8
    assert pod.output("talker") == b"".join(b"%d\n" % number for number in range(1, lines + 1))
    await pod.process.stop()


_DAEMON = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pyrt.runtime.encodedplan import EncodedPlan
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.podstreams import ContainerIo
async def main():
    run, log = Path(sys.argv[2]), Path(sys.argv[3])
    netns = os.open("/proc/self/ns/net", os.O_RDONLY)
    pod = PodProcess.spawn(run, "test/orphaned", host_netns=netns, executable=Path(sys.argv[6]))
    await pod.play(EncodedPlan(Path(sys.argv[4]).read_bytes()))
    await pod.start("talker", EncodedPlan(Path(sys.argv[5]).read_bytes()), ContainerIo(log_path=log, log_max_size=0))
    print("up", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


@pytest.mark.core
async def test_the_pod_survives_the_daemon_that_spawned_it(busybox_root: Path, workdir: Path, executable: Path) -> None:
    run_dir, log = workdir / "run", workdir / "talker.log"
    run_dir.mkdir()
    (workdir / "sandbox").write_bytes(sandbox_plan().encode())
    script = (
        "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; "
        "while [ ! -e /proc/1/root/tmp/end ]; do sleep 0.01; done; exit 21"
    )
    (workdir / "talker").write_bytes(container_plan(busybox_root, "/bin/sh", "-c", script).encode())
    tree = Path(__file__).resolve().parents[3]
    arguments = [sys.executable, "-c", _DAEMON, tree, run_dir, log, workdir / "sandbox", workdir / "talker", executable]
    daemon = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == b"up\n"
    daemon.kill()
    daemon.wait()
    process = await PodProcess.connect(run_dir)
    pod = Pod(process, busybox_root, workdir)
    pod.listen()
    ender = await process.exec("talker", encoded(exec_plan("/bin/touch", "/tmp/end")), stdout=False, stderr=False)
    await ender.wait()  # the end that it brings about may take it along
    assert (await pod.exit_of("talker")).exit_code == 21
    assert pod.output("talker") == b"".join(b"line %d\n" % number for number in range(3000))
    await process.stop()


async def test_without_a_sandbox_and_without_a_client_it_ends(spawn: Callable[[str], PodProcess]) -> None:
    process = spawn("abandoned")
    ours = os.pidfd_open(process.pid)
    process.close()
    died = asyncio.Event()
    asyncio.get_running_loop().add_reader(ours, died.set)
    await asyncio.wait_for(died.wait(), 30)
    asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)


async def test_connecting_to_nothing_is_told(workdir: Path) -> None:
    with pytest.raises(PodGoneError) as error:
        await PodProcess.connect(workdir)
    assert error.value.errno == errno.ENOENT


def raw_client(run_dir: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(30)
    client.connect(str(run_dir / "control.sock"))
    return client


async def test_the_socket_is_the_owners_alone(pod: Pod) -> None:
    assert (pod.process.run_dir / "control.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (struct.pack("=HHI", 1, 99, 5), errno.ENOSYS),
        (struct.pack("=HHI", 1, protocol.HELLO, 5), errno.EBADMSG),
        (protocol.signal(5, "../x", 9, False), errno.EBADMSG),
        (protocol.signal(5, "", 9, False), errno.EBADMSG),
        (protocol.signal(5, "x" * 129, 9, False), errno.EBADMSG),
        (protocol.signal(5, "x", 9, False), errno.ENOENT),
        (protocol.signal(5, "x", 9, False) + b"trailing", errno.EBADMSG),
        (protocol.play(5, protocol.PLAY, b"not a plan", 0), errno.EBADMSG),
        (protocol.play(5, protocol.PLAY, b"", 0), errno.EBADMSG),
        (protocol.play(5, protocol.PLAY, b"plan", 65), errno.EBADMSG),
        (protocol.play(5, protocol.PREPARE, b"not a plan", 0), errno.EINVAL),
        (protocol.name(5, "default/web", "/of another length"), errno.EINVAL),
        (protocol.name(5, "default/web", "relative"), errno.EBADMSG),
        (protocol.name(5, "", "/run"), errno.EBADMSG),
        (protocol.name(5, "two\nlines", "/run"), errno.EBADMSG),
        (protocol.attach(5, "x", 7), errno.ENOENT),
        (protocol.connect(5, 77, b"", 1, 1), errno.EINVAL),
        (struct.pack("=HHI", 1, protocol.LIST, 5) + b"x" * 70000, errno.EMSGSIZE),
    ],
)
async def test_malformed_requests_are_answered(pod: Pod, packet: bytes, code: int) -> None:
    with raw_client(pod.process.run_dir) as client:
        client.send(packet)
        reply = protocol.decode(client.recv(4096))
    assert isinstance(reply, protocol.Reply)
    assert (reply.seq, reply.errno) == (5, code)
    assert await pod.process.list_processes() == {}


@pytest.mark.parametrize("packet", [b"x", struct.pack("=HHI", 2, protocol.LIST, 5)])
async def test_another_language_ends_the_connection(pod: Pod, packet: bytes) -> None:
    with raw_client(pod.process.run_dir) as client:
        client.send(packet)
        assert client.recv(4096) == b""
    assert await pod.process.list_processes() == {}


async def test_noise_never_harms_it(pod: Pod) -> None:
    await pod.start("main", container_plan(pod.root, "/bin/sleep", "1000"))
    choice = random.Random(7)
    plan = container_plan(pod.root, "/bin/true").encode()
    slots = (0, protocol.NO_SLOT, protocol.NO_SLOT)
    good = [
        protocol.hello(1, True),
        protocol.play(1, protocol.PLAY, plan, 0),
        protocol.start(1, protocol.START, plan, slots, "a", "main", "/tmp/none/x.log", 1, 3, 0, 0),
        protocol.start(1, protocol.EXEC, plan, slots, "b", "main", "", 2, 0, 0, 0),
        protocol.attach(1, "main", 7),
        protocol.resize(1, "main", 5, 5),
        protocol.connect(1, socket.AF_INET, b"\x7f\0\0\1", 1, 1),
    ]
    null = os.open("/dev/null", os.O_RDWR)
    for _ in range(40):
        with raw_client(pod.process.run_dir) as client:
            for _ in range(50):
                packet = bytearray(choice.choice(good))
                for _ in range(choice.randrange(6)):
                    packet[choice.randrange(8, min(len(packet), 60))] = choice.randrange(256)
                if choice.random() < 0.3:
                    del packet[choice.randrange(8, len(packet)) :]
                if struct.unpack_from("=H", packet, 2)[0] in (protocol.PLAY, protocol.SIGNAL, protocol.STOP):
                    continue  # well-formed ones would be obeyed
                socket.send_fds(client, [packet], [null] * choice.randrange(6))
    os.close(null)
    assert (await pod.process.list_processes())["main"].phase == ProcessPhase.RUNNING
    assert (await pod.run("after", "/bin/true")).exit_code == 0


async def test_a_client_that_does_not_read_is_disconnected(pod: Pod) -> None:
    with raw_client(pod.process.run_dir) as deaf:
        deaf.setblocking(False)
        request = protocol.bare(1, protocol.LIST)
        gone = False
        while not gone:
            try:
                deaf.send(request)
            except BlockingIOError:
                await pod.process.list_processes()  # alive for others all the time
            except (BrokenPipeError, ConnectionResetError):
                gone = True
            await asyncio.sleep(0)


async def test_connections_are_made_inside_the_pod(pod: Pod) -> None:
    await pod.start(
        "server", container_plan(pod.root, "/bin/sh", "-c", "echo up; exec nc -l -p 8080 -e /bin/echo hello")
    )
    await pod.log_has("server", b"up\n")
    connection = None
    async with asyncio.timeout(30):
        while connection is None:
            with contextlib.suppress(PodProcessError):  # it does not listen yet
                connection = await pod.process.connect_tcp("127.0.0.1", 8080)
    with connection:
        assert await asyncio.get_running_loop().sock_recv(connection, 100) == b"hello\n"


async def test_a_connection_that_is_refused_or_never_answered(pod: Pod) -> None:
    for address, timeout, code in (
        ("127.0.0.1", 5.0, errno.ECONNREFUSED),
        ("::1", 5.0, errno.ECONNREFUSED),
        ("192.0.2.1", 5.0, errno.ENETUNREACH),
    ):
        with pytest.raises(PodProcessError) as error:
            await pod.process.connect_tcp(address, 9, timeout=timeout)
        assert error.value.errno == code
