"""Input, attached clients and terminals."""

# ruff: noqa: ASYNC110, PT017 - a descriptor counted in another process; EIO is the end of a terminal
from __future__ import annotations

import asyncio
import errno
import os
import signal

import pytest

from pyrt.runtime.poderrors import PodProcessError

from .conftest import Pod, container_plan, encoded, exec_plan


async def read_until(fd: int | None, wanted: bytes | None = None) -> bytes:
    """Everything up to ``wanted``, or to the end (a terminal's is EIO)."""
    assert fd is not None
    data = b""
    async with asyncio.timeout(30):
        while wanted is None or wanted not in data:
            try:
                piece = os.read(fd, 65536)
            except BlockingIOError:
                await asyncio.sleep(0.002)
                continue
            except OSError as error:
                assert error.errno == errno.EIO
                break
            if not piece:
                break
            data += piece
    return data


async def write_all(fd: int | None, data: bytes) -> None:
    assert fd is not None
    async with asyncio.timeout(30):
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.002)


async def test_without_stdin_a_container_reads_end_of_file(pod: Pod) -> None:
    assert (await pod.run("c", "/bin/cat")).exit_code == 0


async def test_input_waits_for_whoever_attaches_and_stays_open(pod: Pod) -> None:
    await pod.start("c", container_plan(pod.root, "/bin/cat"), stdin=True)
    for text in (b"one\n", b"two\n"):
        attached = await pod.process.attach("c", stdin=True, stdout=False, stderr=False)
        await write_all(attached.stdin, text)
        await pod.log_has("c", text)
        os.close(attached.stdin or -1)
    await pod.process.close_stdin("c")
    assert (await pod.exit_of("c")).exit_code == 0


async def test_stdin_once_ends_with_the_first_client(pod: Pod) -> None:
    await pod.start("c", container_plan(pod.root, "/bin/cat"), stdin=True, stdin_once=True)
    attached = await pod.process.attach("c", stdin=True, stdout=False, stderr=False)
    await write_all(attached.stdin, b"x" * 1_000_000 + b"\n")
    os.close(attached.stdin or -1)
    assert (await pod.exit_of("c")).exit_code == 0
    assert pod.output("c") == b"x" * 1_000_000 + b"\n"


async def test_attached_clients_see_both_streams_and_the_end(pod: Pod) -> None:
    await pod.start("c", container_plan(pod.root, "/bin/sh", "-c", "read x; echo out; echo err >&2"), stdin=True)
    first = await pod.process.attach("c", stdin=True)
    second = await pod.process.attach("c")
    await write_all(first.stdin, b"\n")
    for attached in (first, second):
        assert await read_until(attached.stdout) == b"out\n"
        assert await read_until(attached.stderr) == b"err\n"
    assert pod.output("c", b"stdout") == b"out\n"
    assert (await pod.exit_of("c")).exit_code == 0


async def test_a_client_that_does_not_read_is_dropped_and_blocks_nobody(pod: Pod) -> None:
    await pod.start("c", container_plan(pod.root, "/bin/sh", "-c", "read x; seq 1000000"), stdin=True, log_max_size=0)
    stuck = await pod.process.attach("c")
    starter = await pod.process.attach("c", stdin=True, stdout=False, stderr=False)
    await write_all(starter.stdin, b"\n")
    assert (await pod.exit_of("c")).exit_code == 0
    assert pod.output("c").endswith(b"\n1000000\n")
    seen = await read_until(stuck.stdout)
    assert pod.output("c").startswith(seen)
    assert len(seen) < 400_000


async def test_a_container_that_does_not_read_blocks_nobody(pod: Pod) -> None:
    await pod.start("deaf", container_plan(pod.root, "/bin/sleep", "1000"), stdin=True)
    attached = await pod.process.attach("deaf", stdin=True)
    assert attached.stdin is not None
    written = 0
    while written < 65536 * 2:  # its pipe and ours are full now
        try:
            written += os.write(attached.stdin, b"x" * 4096)
        except BlockingIOError:
            await pod.process.list_processes()
            if written >= 65536:
                break
    assert (await pod.run("other", "/bin/true")).exit_code == 0
    await pod.process.signal("deaf", signal.SIGKILL)
    await pod.exit_of("deaf")
    assert await read_until(attached.stdout) == b""


async def test_a_client_that_goes_away_is_forgotten(pod: Pod) -> None:
    await pod.start("c", container_plan(pod.root, "/bin/sh", "-c", "read x; echo still here"), stdin=True)
    before = len(os.listdir(f"/proc/{pod.process.pid}/fd"))
    for _ in range(20):
        attached = await pod.process.attach("c", stdin=True)
        for fd in attached:
            os.close(fd or -1)
    async with asyncio.timeout(30):
        while len(os.listdir(f"/proc/{pod.process.pid}/fd")) > before:
            await asyncio.sleep(0.005)
    attached = await pod.process.attach("c", stdin=True, stdout=False, stderr=False)
    await write_all(attached.stdin, b"\n")
    assert (await pod.exit_of("c")).exit_code == 0


async def test_a_terminal_of_the_containers_own(pod: Pod) -> None:
    script = "tty; stty size; read x; stty size; echo got $x >&2"
    await pod.start("c", container_plan(pod.root, "/bin/sh", "-c", script, tty=True))
    await pod.log_has("c", b"24 80\r\n")
    await pod.process.resize("c", 50, 132)
    attached = await pod.process.attach("c", stdin=True, stderr=False)
    await write_all(attached.stdin, b"word\n")
    assert (await pod.exit_of("c")).exit_code == 0
    assert (await read_until(attached.stdout)).endswith(b"50 132\r\ngot word\r\n")
    assert pod.output("c", b"stdout") == b"/dev/pts/0\r\n24 80\r\nword\r\n50 132\r\ngot word\r\n"


async def test_resize_without_a_terminal_is_refused(pod: Pod) -> None:
    await pod.start("c", container_plan(pod.root, "/bin/sleep", "1000"))
    with pytest.raises(PodProcessError) as error:
        await pod.process.resize("c", 1, 1)
    assert error.value.errno == errno.ENOTTY


async def test_all_output_of_a_terminal_is_logged_before_the_exit(pod: Pod) -> None:
    for number in range(10):
        name = f"c{number}"
        await pod.start(name, container_plan(pod.root, "/bin/seq", "3000", tty=True))
        await pod.exit_of(name)
        assert pod.output(name) == b"".join(b"%d\r\n" % line for line in range(1, 3001))


async def test_exec_with_a_terminal(pod: Pod) -> None:
    await pod.start("main", container_plan(pod.root, "/bin/sleep", "1000"))
    process = await pod.process.exec(
        "main", encoded(exec_plan("/bin/sh", "-c", "tty; read x; echo $x; exit 3", tty=True)), tty=True
    )
    await read_until(process.stdout, b"/dev/pts/0\r\n")
    await write_all(process.stdin, b"hi\n")
    assert await read_until(process.stdout, b"hi\r\nhi\r\n")
    assert (await process.wait()).exit_code == 3
    assert process.stderr is None


async def test_an_exec_process_may_be_signalled(pod: Pod) -> None:
    await pod.start("main", container_plan(pod.root, "/bin/sleep", "1000"))
    process = await pod.process.exec("main", encoded(exec_plan("/bin/sleep", "1000")), stdout=False, stderr=False)
    await pod.process.signal(process.id, signal.SIGKILL)
    assert (await process.wait()).exit_code == 137
