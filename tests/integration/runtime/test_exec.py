"""exec and attach."""

from __future__ import annotations

import asyncio
import os

import pytest

from pyrt.ids import ContainerId
from pyrt.runtime import Session
from pyrt.runtime.config import ContainerSecurity, NamespaceMode
from pyrt.runtime.errors import ContainerNotFoundError, ExecError, ExecTimeoutError, StateError

from .conftest import Host


async def read_all(fd: int) -> bytes:
    """To end of file (a terminal's end is EIO)."""
    loop = asyncio.get_running_loop()
    collected = bytearray()
    done = loop.create_future()

    def readable() -> None:
        try:
            chunk = os.read(fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        collected.extend(chunk)
        if not chunk:
            loop.remove_reader(fd)
            done.set_result(None)

    loop.add_reader(fd, readable)
    await done
    return bytes(collected)


@pytest.fixture
async def container(host: Host) -> ContainerId:
    sandbox, container_id = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    assert sandbox.pid
    return container_id


@pytest.mark.core
async def test_output_and_exit_code(host: Host, container: ContainerId) -> None:
    result = await host.runtime.exec_sync(container, ("sh", "-c", "echo out; echo err >&2; exit 3"))
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


@pytest.mark.core
async def test_it_is_in_the_containers_namespaces_and_cgroup(host: Host, container: ContainerId) -> None:
    script = "for n in mnt pid net ipc uts cgroup; do readlink /proc/1/ns/$n; readlink /proc/self/ns/$n; done"
    names = (await host.inside(container, "sh", "-c", script)).split()
    assert names[0::2] == names[1::2]
    one, own = (await host.inside(container, "sh", "-c", "cat /proc/1/cgroup; echo -; cat /proc/self/cgroup")).split(
        "-\n"
    )
    assert one.strip() == own.strip()


async def test_it_has_the_containers_user_environment_and_rights(host: Host) -> None:
    security = ContainerSecurity(run_as_user=1000, no_new_privileges=True)
    _, container = await host.runtime.run_pod(
        host.sandbox(), host.container("sleep", "1000", security=security, env=(("A", "b"),), working_dir="/tmp")
    )
    script = "id -u; id -g; echo $A $PWD $HOME; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status | cut -f2"
    first = await host.inside(container, "sh", "-c", script)
    assert first.splitlines()[:3] == ["1000", "1000", "b /tmp /tmp"]
    assert await host.inside(
        container, "sh", "-c", "grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/1/status | cut -f2"
    ) == ("\n".join(first.splitlines()[3:]))


@pytest.mark.parametrize(("command", "code", "message"), [
    ("nosuch", 127, 'container app: exec "nosuch": executable file not found in $PATH'),
    ("/etc/passwd", 126, 'container app: exec "/etc/passwd": Permission denied'),
])  # fmt: skip
async def test_a_command_that_cannot_run(
    host: Host, container: ContainerId, command: str, code: int, message: str
) -> None:
    with pytest.raises(ExecError) as failed:
        await host.runtime.exec_sync(container, (command,))
    assert (failed.value.exit_code, str(failed.value)) == (code, message)


@pytest.mark.core
async def test_timeout_kills(host: Host, container: ContainerId) -> None:
    with pytest.raises(ExecTimeoutError, match=r"container app: exec: command 'sh' timed out after 0.2 s") as failed:
        await host.runtime.exec_sync(container, ("sh", "-c", "echo begun; exec sleep 999"), timeout=0.2)
    assert failed.value.stdout == b"begun\n"
    assert "sleep 999" not in await host.inside(container, "ps", "-o", "args")


async def test_output_beyond_the_limit_is_dropped_and_the_command_goes_on(host: Host, container: ContainerId) -> None:
    result = await host.runtime.exec_sync(container, ("sh", "-c", "seq 100000; echo end >&2"), limit=100)
    assert (len(result.stdout), result.stderr, result.truncated, result.exit_code) == (100, b"end\n", True, 0)


async def test_all_of_a_large_output(host: Host, container: ContainerId) -> None:
    result = await host.runtime.exec_sync(container, ("seq", "200000"))
    assert result.stdout == b"".join(b"%d\n" % n for n in range(1, 200001))


async def test_something_left_behind_does_not_hold_the_answer(host: Host, container: ContainerId) -> None:
    result = await host.runtime.exec_sync(container, ("sh", "-c", "sleep 1000 & echo done"))
    assert result.stdout == b"done\n"


async def test_streaming_with_stdin(host: Host, container: ContainerId) -> None:
    async with await host.runtime.exec(container, ("sh", "-c", "cat; exit 5"), stdin=True) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        os.write(session.stdin, b"hello\n")
        session.close_stdin()
        assert await read_all(session.stdout) == b"hello\n"
        assert await session.wait() == 5


async def test_terminal_and_its_size(host: Host, container: ContainerId) -> None:
    command = ("sh", "-c", "read x; stty size; tty; echo $TERM")
    async with await host.runtime.exec(container, command, stdin=True, tty=True) as session:
        assert session.stderr is None
        assert session.stdin is not None
        assert session.stdout is not None
        session.resize(33, 77)
        os.write(session.stdin, b"go\n")
        output = (await read_all(session.stdout)).decode()
        assert output.split() == ["go", "33", "77", "/dev/pts/0", "xterm"]
        assert await session.wait() == 0


async def test_not_in_what_does_not_run(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("true"))
    await host.runtime.wait_container(container)
    with pytest.raises(StateError, match="container app: exec: it is exited, not running"):
        await host.runtime.exec_sync(container, ("true",))
    await host.runtime.remove_sandbox(sandbox.id)
    with pytest.raises(ContainerNotFoundError):
        await host.runtime.exec_sync(container, ("true",))


async def test_an_exec_ends_with_its_container(host: Host, container: ContainerId) -> None:
    session = await host.runtime.exec(container, ("sleep", "1000"))
    await host.runtime.stop_container(container, 0)
    assert await session.wait() == 137
    session.close()


@pytest.mark.core
@pytest.mark.parametrize("mode", [NamespaceMode.POD, NamespaceMode.NODE])
async def test_in_a_shared_pid_namespace(host: Host, mode: NamespaceMode) -> None:
    _, container = await host.runtime.run_pod(host.sandbox(pid=mode), host.container("sleep", "12345"))
    assert "sleep 12345" in await host.inside(container, "ps", "-o", "args")


async def attached_output(session: Session) -> bytes:
    assert session.stdout is not None
    return await read_all(session.stdout)


async def test_attach_to_stdin_and_output(host: Host) -> None:
    _, container = await host.runtime.run_pod(
        host.sandbox(), host.container("sh", "-c", "read line; echo got $line; exit 9", stdin=True, stdin_once=True)
    )
    async with await host.runtime.attach(container, stdin=True) as session:
        assert session.stdin is not None
        os.write(session.stdin, b"this\n")
        assert await attached_output(session) == b"got this\n"
        assert await session.wait() == 9
    assert host.output(container) == "got this"


@pytest.mark.core
async def test_attach_to_a_terminal(host: Host) -> None:
    _, container = await host.runtime.run_pod(
        host.sandbox(), host.container("sh", "-c", "read x; stty size", stdin=True, tty=True)
    )
    async with await host.runtime.attach(container, stdin=True) as session:
        assert session.tty
        session.resize(40, 90)
        assert session.stdin is not None
        os.write(session.stdin, b"\n")
        assert (await attached_output(session)).split() == [b"40", b"90"]


async def test_attach_to_what_does_not_run(host: Host) -> None:
    _, container = await host.runtime.run_pod(host.sandbox(), host.container("true"))
    await host.runtime.wait_container(container)
    with pytest.raises(StateError, match="container app: attach: it is exited"):
        await host.runtime.attach(container)
