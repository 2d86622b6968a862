"""A container's process: what it is started with, how it ends, what it writes."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from pathlib import Path

import pytest

from pyrt.images.types import Image
from pyrt.runtime.config import ContainerSecurity, NamespaceMode
from pyrt.runtime.errors import CreateError, InvalidConfigError, StartError, StateError
from pyrt.runtime.status import ContainerState

from .conftest import Host, until


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        (("true",), 0, "Completed"),
        (("false",), 1, "Error"),
        (("sh", "-c", "exit 42"), 42, "Error"),
    ],
)
async def test_exit_codes(host: Host, command: tuple[str, ...], code: int, reason: str) -> None:
    status, _ = await host.run(*command)
    assert (status.exit_code, status.reason, status.signal) == (code, reason, 0)
    assert status.state is ContainerState.EXITED
    assert 0 < status.created_at <= status.started_at <= status.finished_at


async def test_a_signal_is_128_and_its_number(host: Host) -> None:
    _, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    os.kill(host.runtime.container_status(container).pid, 9)
    status = await host.runtime.wait_container(container)
    assert (status.exit_code, status.signal, status.reason) == (137, 9, "Error")


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("nosuch", 127, 'exec "nosuch": executable file not found in $PATH'),
        ("/bin/nosuch", 127, 'exec "/bin/nosuch": No such file or directory'),
        ("/etc/passwd", 126, 'exec "/etc/passwd": Permission denied'),
        ("/tmp", 126, 'exec "/tmp": Permission denied'),
    ],
)
async def test_a_command_that_cannot_run(host: Host, command: str, code: int, message: str) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.runtime.create_container(sandbox.id, host.container(command))
    with pytest.raises(StartError) as failed:
        await host.runtime.start_container(container)
    assert str(failed.value) == f"container app: {message}"
    status = host.runtime.container_status(container)
    assert (status.state, status.exit_code, status.reason, status.message) == (
        ContainerState.EXITED, code, "ContainerCannotRun", message,
    )  # fmt: skip


async def test_the_pod_stays_when_its_first_container_cannot_run(host: Host) -> None:
    with pytest.raises(StartError):
        await host.runtime.run_pod(host.sandbox(), host.container("nosuch"))
    (sandbox,) = host.runtime.list_sandboxes()
    assert await host.start(sandbox.id, "sleep", "1000", name="second")


async def test_no_command_anywhere(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    with pytest.raises(InvalidConfigError, match="container app: command: no command specified"):
        await host.runtime.create_container(sandbox.id, host.container())
    assert host.runtime.list_containers() == []


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ((), (), "entry cmd"),
        ((), ("args",), "entry args"),
        (("echo", "command"), (), "command"),
        (("echo", "command"), ("args",), "command args"),
    ],
)
async def test_command_and_args_replace_entrypoint_and_cmd(
    host: Host, command: tuple[str, ...], args: tuple[str, ...], expected: str
) -> None:
    image = host.image(entrypoint=("echo", "entry"), cmd=("cmd",))
    assert await host.prints(*command, args=args, image=image) == expected


async def test_environment(host: Host) -> None:
    image = host.image(env=("A=image", "B=image", "PATH=/bin:/sbin"))
    output = await host.prints("env", image=image, env=(("B", "pod"), ("C", "x=y z")))
    variables = dict(line.split("=", 1) for line in output.splitlines())
    assert variables == {
        "A": "image", "B": "pod", "C": "x=y z", "PATH": "/bin:/sbin", "HOSTNAME": "pod0", "HOME": "/root",
    }  # fmt: skip


async def test_working_directory(host: Host) -> None:
    assert await host.prints("pwd") == "/"
    assert await host.prints("pwd", image=host.image(working_dir="/tmp")) == "/tmp"
    assert await host.prints("pwd", working_dir="/made/for/it") == "/made/for/it"


@pytest.mark.core
async def test_layers_stack_and_nothing_is_written_to_them(host: Host, workdir: Path) -> None:
    layers = []
    for number in range(130):
        layer = workdir / "layers" / f"{number}"
        (layer / "etc").mkdir(parents=True)
        (layer / "etc" / "top").write_text(f"{number}")
        (layer / f"file{number}").write_text("x")
        layers.append(layer)
    output = await host.prints(
        "sh", "-c", "cat /etc/top; ls /file0 /file129; echo new > /file0; echo new > /made", image=host.image(*layers)
    )
    assert output.split() == ["129", "/file0", "/file129"] or output == "129/file0\n/file129"
    assert (layers[0] / "file0").read_text() == "x"
    assert not (host.root / "made").exists()


async def test_a_read_only_root_with_volumes_and_dev_writable(host: Host) -> None:
    security = ContainerSecurity(readonly_rootfs=True)
    script = "touch /x /etc/hosts 2>&1; touch /dev/shm/x && echo shm; df / | tail -1"
    output = await host.prints("sh", "-c", script, security=security)
    assert output.count("Read-only file system") == 2
    assert "shm" in output


async def test_log_has_streams_in_order_and_partial_lines(host: Host) -> None:
    _, container = await host.runtime.run_pod(
        host.sandbox(), host.container("sh", "-c", "echo out; echo err >&2; printf unfinished")
    )
    await host.runtime.wait_container(container)
    lines = host.log_file(container).read_text().splitlines()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z "
    assert sorted(re.sub(stamp, "", line) for line in lines) == ["stderr F err", "stdout F out", "stdout P unfinished"]


async def test_a_missing_log_directory_is_made(host: Host) -> None:
    output = await host.prints("echo", "x", log_path=Path("deep/er/0.log"))
    assert output == "x"


async def test_reopen_log_after_a_rename(host: Host) -> None:
    command = ("sh", "-c", "echo one; until [ -e /tmp/go ]; do sleep 0.01; done; echo two; exec sleep 1000")
    _, container = await host.runtime.run_pod(host.sandbox(), host.container(*command))
    log = host.log_file(container)
    await until(lambda: log.exists() and "one" in log.read_text())
    log.rename(log.with_suffix(".old"))
    await host.runtime.reopen_log(container)
    await host.inside(container, "touch", "/tmp/go")
    await until(lambda: "two" in log.read_text())
    assert "two" not in log.with_suffix(".old").read_text()


async def test_stop_sends_the_signal_and_answers_at_once(host: Host) -> None:
    command = ("sh", "-c", "trap 'echo bye; exit 7' TERM; touch /tmp/ready; while :; do sleep 0.01; done")
    _, container = await host.runtime.run_pod(host.sandbox(), host.container(*command))
    await host.inside(container, "sh", "-c", "until [ -e /tmp/ready ]; do sleep 0.01; done")
    begun = time.monotonic()
    await host.runtime.stop_container(container, 600)
    assert time.monotonic() - begun < 300
    assert host.runtime.container_status(container).exit_code == 7
    assert host.output(container) == "bye"


@pytest.mark.parametrize(("own", "image", "asked", "expected"), [
    ("", "SIGUSR1", None, "USR1"), ("USR2", "SIGUSR1", None, "USR2"), ("USR2", "", "SIGHUP", "HUP"),
])  # fmt: skip
async def test_stop_signal_of_caller_container_and_image(
    host: Host, own: str, image: str, asked: str | None, expected: str
) -> None:
    traps = "".join(f"trap 'echo {name}; exit 0' {name};" for name in ("TERM", "USR1", "USR2", "HUP"))
    command = ("sh", "-c", f"{traps} touch /tmp/ready; while :; do sleep 0.01; done")
    config = host.container(*command, image=host.image(stop_signal=image), stop_signal=own)
    _, container = await host.runtime.run_pod(host.sandbox(), config)
    await host.inside(container, "sh", "-c", "until [ -e /tmp/ready ]; do sleep 0.01; done")
    await host.runtime.stop_container(container, 600, asked)
    assert host.output(container) == expected


@pytest.mark.core
async def test_what_ignores_the_signal_is_killed_with_all_its_children(host: Host) -> None:
    command = ("sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000 & touch /tmp/ready; wait")
    _, container = await host.runtime.run_pod(host.sandbox(), host.container(*command))
    await host.inside(container, "sh", "-c", "until [ -e /tmp/ready ]; do sleep 0.01; done")
    await host.runtime.stop_container(container, 0.05)
    status = host.runtime.container_status(container)
    assert (status.exit_code, status.signal) == (137, 9)


async def test_stop_of_what_does_not_run(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.runtime.create_container(sandbox.id, host.container("true"))
    await host.runtime.stop_container(container, 30)
    assert host.runtime.container_status(container).state is ContainerState.CREATED
    await host.runtime.start_container(container)
    await host.runtime.wait_container(container)
    await host.runtime.stop_container(container, 30)
    await host.runtime.remove_container(container)
    await host.runtime.stop_container(container, 30)
    await host.runtime.remove_container(container)
    assert host.runtime.list_containers() == []


@pytest.mark.core
async def test_what_is_left_in_a_shared_pid_namespace_goes_with_its_container(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox(pid=NamespaceMode.POD))
    container = await host.start(sandbox.id, "sh", "-c", "setsid sleep 4711 & touch /tmp/ready; exec sleep 4712")
    await host.inside(container, "sh", "-c", "until [ -e /tmp/ready ]; do sleep 0.01; done")
    await host.runtime.stop_container(container, 0)
    other = await host.start(sandbox.id, "sleep", "1000", name="other")
    await host.inside(other, "sh", "-c", "while ps -o args | grep -q '[s]leep 4711'; do sleep 0.01; done")


@pytest.mark.core
async def test_removal_of_a_running_container(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    await host.runtime.remove_container(container)
    assert host.runtime.list_containers(sandbox.id) == []


async def test_create_is_idempotent_and_starts_once(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    config = host.container("sleep", "1000")
    first = await host.runtime.create_container(sandbox.id, config)
    assert await host.runtime.create_container(sandbox.id, config) == first
    await host.runtime.start_container(first)
    with pytest.raises(StateError, match="container app: start: it is running"):
        await host.runtime.start_container(first)
    again = await host.runtime.create_container(sandbox.id, dataclasses.replace(config, attempt=1))
    assert again != first


async def test_a_stopped_sandbox_takes_no_container(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    await host.runtime.stop_sandbox(sandbox.id)
    with pytest.raises(StateError, match="container app: create: its sandbox is not running"):
        await host.runtime.create_container(sandbox.id, host.container("true"))


async def test_a_missing_layer_undoes_the_container(host: Host, workdir: Path) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    image: Image = host.image(workdir / "gone")
    container = await host.runtime.create_container(sandbox.id, host.container("true", image=image))
    with pytest.raises(StartError, match=r"container app: mount overlay on .*: No such file or directory"):
        await host.runtime.start_container(container)
    status = host.runtime.container_status(container)
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert status.message.startswith("mount overlay on ")


async def test_an_unwritable_place_undoes_the_container(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    containers = host.config.paths.root / "containers"
    containers.rename(containers.with_name("elsewhere"))
    try:
        with pytest.raises(CreateError, match=r"container app: create .*: No such file or directory"):
            await host.runtime.create_container(sandbox.id, host.container("true"))
    finally:
        containers.with_name("elsewhere").rename(containers)
    assert host.runtime.list_containers() == []
