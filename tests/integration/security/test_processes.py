"""The runtime's own processes, seen from inside: its program file, descriptors, working directory, memory."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pyrt.ids import ContainerId
from pyrt.images.types import Image
from pyrt.runtime.config import ContainerSecurity, NamespaceMode, Seccomp
from pyrt.runtime.errors import StartError
from pyrt.runtime.pod_program import EXECUTABLE
from tests.integration.runtime.conftest import Host, until

UNCONFINED = Seccomp("Unconfined")


def digest() -> str:
    return hashlib.sha256(EXECUTABLE.read_bytes()).hexdigest()


def refused(output: str) -> None:
    read, write, chmod, link = output.splitlines()
    assert (read, chmod, link) == ("read ok", "chmod EROFS", "link EXDEV")
    assert write in ("write EROFS", "write ETXTBSY")


async def pod_pid(host: Host, container: ContainerId) -> int:
    sandbox = host.runtime.container_status(container).sandbox_id
    return host.runtime._core.sandboxes[sandbox].pod_pid


@pytest.mark.core
async def test_the_runtimes_program_cannot_be_opened_for_writing(host: Host) -> None:
    """runc CVE-2019-5736: not even by the host's root through the link, while or after it runs."""
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(sandbox.id, "sleep", "1000")
    pid = await pod_pid(host, container)
    # ETXTBSY alone would hold only while a process runs it, and not at all on Linux 6.11 and 6.12.
    assert os.statvfs(f"/proc/{pid}/exe").f_flag & os.ST_RDONLY
    with pytest.raises(OSError, match="Read-only file system"):
        os.chmod(f"/proc/{pid}/exe", 0o777)
    with pytest.raises(OSError, match=r"Text file busy|Read-only file system"):
        os.open(f"/proc/{pid}/exe", os.O_WRONLY)


async def test_an_image_that_runs_the_runtimes_program(host: Host, weapons: Path) -> None:
    """runc CVE-2019-5736: the entrypoint is /proc/self/exe, and a process beside it writes to what that turned out to
    be. Before, root of any container could have made the host's file setuid or writable.
    """
    before = digest()
    image = host.image(weapons, entrypoint=("/proc/self/exe", "--pause"))
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(sandbox.id, image=image)
    # It does run: as a process like any other of the container, with the container's rights.
    assert "pyrt-pause" in await host.inside(container, "cat", "/proc/1/comm")
    output = await host.inside(container, "attack", "reopen", "/proc/1/exe")
    refused(output)
    for command in ("echo x > /proc/1/exe", "cp /bin/busybox /proc/1/exe", "chmod 777 /proc/1/exe"):
        result = await host.runtime.exec_sync(container, ("sh", "-c", command))
        assert result.exit_code != 0, command
        assert b"Read-only file system" in result.stderr or b"Text file busy" in result.stderr, result
    assert digest() == before


async def test_the_runtimes_program_with_the_hosts_processes_in_view(host: Host, armed: Image) -> None:
    """runc CVE-2019-5736 for a pod with hostPID and CAP_SYS_PTRACE, which may follow anybody's link."""
    before = digest()
    security = ContainerSecurity(add_capabilities=("SYS_PTRACE",))
    sandbox = await host.runtime.run_sandbox(host.sandbox(pid=NamespaceMode.NODE))
    container = await host.start(sandbox.id, "sleep", "1000", image=armed, security=security)
    pid = await pod_pid(host, container)
    output = await host.inside(container, "attack", "reopen", f"/proc/{pid}/exe")
    refused(output)
    assert digest() == before


async def test_nobody_looks_into_a_process_that_is_about_to_enter(host: Host, armed: Image) -> None:
    """runc CVE-2016-9962: an exec process is traced, or its descriptors taken, before it has executed. A watcher in
    the container tries to read every process that appears while twenty enter.
    """
    security = ContainerSecurity(seccomp=UNCONFINED)
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(sandbox.id, "attack", "watch", image=armed, security=security)
    await host.inside(container, "sh", "-c", "while ! [ -e /tmp/watching ]; do sleep 0.01; done")
    for _ in range(20):
        await host.inside(container, "true")
    await host.runtime.exec_sync(container, ("touch", "/tmp/stop"))  # the watcher may end first, and take it along
    await host.runtime.wait_container(container)
    assert host.output(container) == "looked often"


async def test_the_pod_process_cannot_be_traced_or_signalled(host: Host, armed: Image) -> None:
    """The parent of all containers, from a hostPID pod that runs as root without CAP_SYS_PTRACE."""
    sandbox = await host.runtime.run_sandbox(host.sandbox(pid=NamespaceMode.NODE))
    container = await host.start(
        sandbox.id, "sleep", "1000", image=armed, security=ContainerSecurity(seccomp=UNCONFINED)
    )
    pid = await pod_pid(host, container)
    assert await host.inside(container, "attack", "trace", str(pid)) == "seize EPERM"
    for name in ("root/etc", "cwd/etc", "exe", "fd/4", "environ", "mem", "maps", "ns/net"):
        result = await host.runtime.exec_sync(container, ("dd", f"if=/proc/{pid}/{name}", "of=/dev/null", "count=1"))
        assert result.exit_code != 0, (name, result)
    status = Path(f"/proc/{pid}/environ").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o400)


async def test_the_pod_process_is_outside_of_a_shared_pid_namespace(host: Host) -> None:
    """shareProcessNamespace: process 1 is a holder without rights, not the runtime (Kubernetes' pause has the pod's
    own credentials; containerd's shim is outside likewise).
    """
    script = (
        "cat /proc/1/comm; grep -E 'Uid|Cap(Eff|Prm|Bnd)|NoNewPrivs' /proc/1/status; ps -o comm | grep -c '^pyrt-pod'"
    )
    _, output = await host.run("sh", "-c", script, sandbox={"pid": NamespaceMode.POD})
    name, *fields, visible = output.splitlines()
    assert name == "pyrt-pause"
    values = {field.split(":\t")[0]: field.split(":\t")[1] for field in fields}
    assert values.pop("Uid").split() == ["65534"] * 4
    assert values == {"CapPrm": "0" * 16, "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}
    assert visible == "0"


@pytest.mark.core
@pytest.mark.parametrize("number", range(3, 13))
async def test_working_directory_through_a_leaked_descriptor(host: Host, number: int) -> None:
    """runc CVE-2024-21626: WORKDIR /proc/self/fd/N."""
    image = host.image(working_dir=f"/proc/self/fd/{number}")
    with pytest.raises(StartError):
        await host.run("cat", "../../../../etc/shadow", image=image)


async def test_exec_leaks_no_descriptor(host: Host) -> None:
    """runc CVE-2024-21626 and 2016-9962: what an exec process has open, and where it stands."""
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(sandbox.id, "sleep", "1000")
    script = "cd /proc/self/fd; for fd in *; do readlink $fd; done; readlink /proc/self/cwd"
    output = await host.inside(container, "sh", "-c", script)
    for line in output.splitlines():
        assert line.startswith(("pipe:", "/dev/null", "/proc/", "socket:")) or line == "/", output
    assert "socket:" not in output


async def test_a_container_does_not_outlive_its_pod_by_hiding(host: Host, armed: Image) -> None:
    """A process that leaves its session, ignores signals and is adopted ends with its container all the same."""
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    script = "trap '' TERM HUP INT; (setsid sh -c 'trap \"\" TERM HUP; exec sleep 4713' &) ; sleep 1000"
    container = await host.start(sandbox.id, "sh", "-c", script)
    await until(lambda: "4713" in _command_lines())
    await host.runtime.stop_container(container, 0)
    await until(lambda: "4713" not in _command_lines())


def _command_lines() -> str:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(line for line in found if line.startswith("sleep "))


TRACER = ContainerSecurity(add_capabilities=("SYS_PTRACE",))
HELD = "CapPrm:\t"


async def stalked(host: Host, stalker: ContainerId, enter: Callable[[], Awaitable[object]]) -> list[str]:
    """What a container with CAP_SYS_PTRACE got hold of while others came in."""
    await until(lambda: "lurking" in host.output(stalker))
    for _ in range(20):
        await enter()
    caught = [line for line in host.output(stalker).splitlines() if line.startswith("caught CapPrm")]
    assert caught  # else it does not try hard enough to prove anything
    return caught


def harmless(caught: list[str], own: str) -> None:
    """Nobody had a right that the stalker has not itself, nor anything open but the socket to tell of a failure."""
    for line in caught:
        rights, _, fds = line.removeprefix("caught ").partition(" fds")
        held, _, name = rights.partition(" Name:\t")
        assert int(held.removeprefix(HELD), 16) & ~int(own.removeprefix(HELD), 16) == 0, line
        if name != "pyrt-pod":
            continue  # it is the container's own program already
        assert [fd for fd in fds.split() if not fd.startswith("socket:")] == [], line
        assert len(fds.split()) <= 1, line


@pytest.mark.parametrize("escalation", [True, False])
async def test_a_tracer_catches_nobody_who_is_entering(host: Host, armed: Image, escalation: bool) -> None:
    """Docker, runc, crun: an exec into a container with CAP_SYS_PTRACE has the runtime's rights at first."""
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    security = dataclasses.replace(TRACER, no_new_privileges=not escalation)
    stalker = await host.start(sandbox.id, "attack", "stalk", image=armed, security=security)
    own = await host.inside(stalker, "grep", "CapPrm", "/proc/self/status")
    harmless(await stalked(host, stalker, lambda: host.runtime.exec_sync(stalker, ("true",))), own)


async def test_a_tracer_catches_no_container_that_joins_it(host: Host, armed: Image) -> None:
    """The same of containers that start in a shared PID namespace."""
    sandbox = await host.runtime.run_sandbox(host.sandbox(pid=NamespaceMode.POD))
    stalker = await host.start(sandbox.id, "attack", "stalk", image=armed, security=TRACER, name="stalker")
    own = await host.inside(stalker, "grep", "CapPrm", "/proc/self/status")
    numbers = itertools.count()

    async def join() -> None:
        name = f"joins{next(numbers)}"
        joining = await host.start(sandbox.id, "sh", "-c", "cat /proc/1/comm; echo $$", name=name, security=TRACER)
        assert (await host.runtime.wait_container(joining)).exit_code == 0
        assert host.output(joining).split()[0] == "pyrt-pause"

    harmless(await stalked(host, stalker, join), own)


async def test_a_tracer_catches_no_guest(host: Host, armed: Image) -> None:
    """The same of containers that join one container (ephemeral containers with a target)."""
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    stalker = await host.start(sandbox.id, "attack", "stalk", image=armed, security=TRACER, name="stalker")
    own = await host.inside(stalker, "grep", "CapPrm", "/proc/self/status")
    numbers = itertools.count()

    async def join() -> None:
        name = f"guest{next(numbers)}"
        guest = await host.start(sandbox.id, "cat", "/proc/1/comm", name=name, pid_target=stalker, security=TRACER)
        assert (await host.runtime.wait_container(guest)).exit_code == 0
        assert host.output(guest) == "attack"

    harmless(await stalked(host, stalker, join), own)


async def test_entering_beside_a_tracer_leaves_nothing_out(host: Host) -> None:
    """Streams, terminal, exit code, session, user, oom_score_adj: as without one."""
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(
        sandbox.id, "sleep", "1000", security=dataclasses.replace(TRACER, run_as_user=1000, oom_score_adj=500)
    )
    result = await host.runtime.exec_sync(
        container, ("sh", "-c", "id -u; cat /proc/self/oom_score_adj; cut -d' ' -f 6 /proc/self/stat; echo $$; exit 7")
    )
    assert result.exit_code == 7
    user, score, session, pid = result.stdout.decode().split()
    assert (user, score) == ("1000", "500")
    assert session == pid
    shell = await host.runtime.exec(
        container, ("sh", "-c", "tty; echo x > /dev/tty"), stdin=False, stdout=True, stderr=False, tty=True
    )
    assert await shell.wait() == 0
    assert shell.stdout is not None
    assert os.read(shell.stdout, 1000).split() == [b"/dev/pts/0", b"x"]
    shell.close()
