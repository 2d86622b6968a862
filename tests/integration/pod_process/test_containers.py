"""Containers in a pod process: start, exit codes, signals, exec, stop, and the records on disk."""

# ruff: noqa: ASYNC110 - what other processes do can only be looked for
from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrt.launch import operations as ops
from pyrt.launch.plan import Plan
from pyrt.runtime.poderrors import PlanFailedError, PodGoneError, PodProcessError
from pyrt.runtime.podfiles import read_exits, read_starts, start_ticks
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.protocol import ProcessPhase

from .conftest import Pod, container_plan, encoded, exec_plan, sandbox_plan


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.core
async def test_a_container_runs_logs_and_exits(pod: Pod) -> None:
    record = await pod.run("hello", "/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    assert (record.exit_code, record.signal) == (7, 0)
    assert pod.output("hello", b"stdout") == b"out\n"
    assert pod.output("hello", b"stderr") == b"err\n"


async def test_sandbox_and_container_may_be_sent_back_to_back(
    spawn: Callable[[str], PodProcess], busybox_root: Path, workdir: Path
) -> None:
    pod = Pod(spawn("pipelined"), busybox_root, workdir)
    pod.listen()
    ready = pod.process.play(encoded(sandbox_plan()))
    started = pod.start("first", container_plan(busybox_root, "/bin/hostname"))
    await asyncio.gather(ready, started)
    assert (await pod.exit_of("first")).exit_code == 0


async def test_a_failed_sandbox_cancels_the_start_behind_it(
    spawn: Callable[[str], PodProcess], busybox_root: Path, workdir: Path
) -> None:
    pod = Pod(spawn("failed"), busybox_root, workdir)
    ready = pod.process.play(encoded(Plan((ops.Umask(0o22), ops.Open(ops.ROOT, ops.HOST, "/nowhere")))))
    started = pod.start("first", container_plan(busybox_root, "/bin/true"))
    with pytest.raises(PlanFailedError) as sandbox_error:
        await ready
    assert (sandbox_error.value.index, sandbox_error.value.errno) == (1, errno.ENOENT)
    with pytest.raises(PodProcessError) as start_error:
        await started
    assert start_error.value.errno == errno.ECANCELED


async def test_the_failing_operation_is_named(pod: Pod) -> None:
    plan = container_plan(pod.root, "/bin/missing")
    with pytest.raises(PlanFailedError) as error:
        await pod.start("missing", plan)
    assert (error.value.index, error.value.errno) == (len(plan.operations) - 1, errno.ENOENT)
    assert read_starts(pod.process.run_dir) == {}
    assert await pod.process.list_processes() == {}
    assert (await pod.run("missing", "/bin/true")).exit_code == 0  # the id is free again


@pytest.mark.core
async def test_a_start_is_answered_after_execve(pod: Pod) -> None:
    started = await pod.start("sleeper", container_plan(pod.root, "/bin/sleep", "1000"))
    assert Path(f"/proc/{started.pid}/cmdline").read_bytes() == b"/bin/sleep\x001000\x00"
    assert started.start_ticks == start_ticks(started.pid)


async def test_records_tell_what_started_and_how_it_ended(pod: Pod) -> None:
    started = await pod.start("sleeper", container_plan(pod.root, "/bin/sleep", "1000"))
    (record,) = read_starts(pod.process.run_dir).values()
    assert (record.id, record.pid, record.start_ticks) == ("sleeper", started.pid, started.start_ticks)
    assert read_exits(pod.process.run_dir) == {}
    await pod.process.signal("sleeper", signal.SIGKILL)
    heard = await pod.exit_of("sleeper")
    assert read_exits(pod.process.run_dir) == {"sleeper": heard}
    assert (heard.exit_code, heard.signal, heard.started) == (137, 9, started.started_at)
    assert heard.finished >= heard.started
    await pod.process.forget("sleeper")
    assert read_exits(pod.process.run_dir) == read_starts(pod.process.run_dir) == {}


async def test_the_record_is_on_disk_before_the_event(pod: Pod) -> None:
    seen: list[int] = []

    def on_exit(name: str, _record: object) -> None:
        seen.append(read_exits(pod.process.run_dir)[name].exit_code)
        done.set()

    done = asyncio.Event()
    pod.process.on_exit = on_exit
    await pod.start("quick", container_plan(pod.root, "/bin/sh", "-c", "exit 3"))
    await asyncio.wait_for(done.wait(), 30)
    assert seen == [3]


async def test_signals_reach_the_first_process_or_everyone(pod: Pod) -> None:
    script = (
        "trap 'echo first; exit 5' TERM; "
        "sh -c 'trap \"echo second; exit\" TERM; echo up; while :; do sleep 0.01; done' & wait"
    )
    await pod.start("both", container_plan(pod.root, "/bin/sh", "-c", script))
    await pod.log_has("both", b"up\n")
    await pod.process.signal("both", signal.SIGTERM, everyone=True)
    assert (await pod.exit_of("both")).exit_code == 5
    assert b"first\n" in pod.output("both")
    with pytest.raises(PodProcessError) as error:
        await pod.process.signal("both", signal.SIGTERM)
    assert error.value.errno == errno.ESRCH


async def test_everyone_is_refused_where_the_namespace_is_not_the_containers_own(pod: Pod) -> None:
    plan = container_plan(pod.root, "/bin/sleep", "1000", own_pid_namespace=False)
    await pod.start("hostpid", plan)
    with pytest.raises(PodProcessError) as error:
        await pod.process.signal("hostpid", signal.SIGTERM, everyone=True)
    assert error.value.errno == errno.EINVAL


@pytest.mark.core
async def test_exec_runs_inside_and_reports_its_code(pod: Pod) -> None:
    await pod.start("main", container_plan(pod.root, "/bin/sleep", "1000"))
    process = await pod.process.exec("main", encoded(exec_plan("/bin/sh", "-c", "cat; ps; exit 9")), stdin=True)
    assert process.stdin is not None
    assert process.stdout is not None
    os.write(process.stdin, b"fed\n")
    os.close(process.stdin)
    assert (await process.wait()).exit_code == 9
    output = os.read(process.stdout, 65536)
    assert output.startswith(b"fed\n")
    assert b"1 0         0:00 /bin/sleep 1000" in output or b"sleep 1000" in output
    assert list(await pod.process.list_processes()) == ["main"]  # an exec that was heard of is forgotten
    for fd in (process.stdout, process.stderr):
        os.close(fd or -1)


async def test_exec_in_what_is_not_running_is_refused(pod: Pod) -> None:
    await pod.run("over", "/bin/true")
    for name, code in (("over", errno.ESRCH), ("unknown", errno.ENOENT)):
        with pytest.raises(PodProcessError) as error:
            await pod.process.exec(name, encoded(exec_plan("/bin/true")))
        assert error.value.errno == code


async def test_an_exec_storm(pod: Pod) -> None:
    await pod.start("main", container_plan(pod.root, "/bin/sleep", "1000"))

    async def one(number: int) -> int:
        process = await pod.process.exec(
            "main", encoded(exec_plan("/bin/sh", "-c", f"exit {number}")), stdout=False, stderr=False
        )
        return (await process.wait()).exit_code

    assert await asyncio.gather(*map(one, range(100))) == list(range(100))
    assert list(await pod.process.list_processes()) == ["main"]
    assert os.listdir(pod.process.run_dir / "exits") == []


async def test_a_hundred_quick_containers(pod: Pod) -> None:
    async def one(number: int) -> None:
        record = await pod.run(f"c{number}", "/bin/sh", "-c", f"echo {number}; exit {number}")
        assert record.exit_code == number

    await asyncio.gather(*map(one, range(100)))
    assert [pod.output(f"c{number}") for number in range(100)] == [b"%d\n" % number for number in range(100)]
    assert len(read_exits(pod.process.run_dir)) == 100
    before = len(os.listdir(f"/proc/{pod.process.pid}/fd"))
    assert before < 20


@pytest.mark.core
async def test_a_shared_pid_namespace_is_held_by_the_pause_process(pod: Pod, executable: Path) -> None:
    pause = container_plan(pod.root, "/pyrt-pod", "--pause", binds=((executable, "pyrt-pod"),))
    holder = pod.start("pause", pause)
    member = pod.start(
        "member",
        container_plan(pod.root, "/bin/sh", "-c", "sleep 1000 & echo $$; exec ps -o pid,comm", join=True),
        target="pause",
    )
    await asyncio.gather(holder, member)
    assert (await pod.exit_of("member")).exit_code == 0
    listing = pod.output("member")
    assert listing.startswith(b"2\n")
    assert b"    1 pyrt-p" in listing
    assert (
        b"    3 " in listing
    )  # the background sleep: alive in the shared namespace, and yet it did not hold the exit up
    await pod.process.stop()


async def test_an_exit_does_not_wait_for_others_that_hold_the_output(pod: Pod) -> None:
    plan = container_plan(pod.root, "/bin/sh", "-c", "(sleep 1; echo late) & echo soon", own_pid_namespace=False)
    await pod.start("daemonised", plan)
    assert (await pod.exit_of("daemonised")).exit_code == 0
    assert pod.output("daemonised") == b"soon\n"
    await pod.log_has("daemonised", b"late\n")  # and yet nothing is lost


@pytest.mark.core
async def test_stop_leaves_nothing(pod: Pod) -> None:
    pids = [
        (
            await pod.start(f"c{number}", container_plan(pod.root, "/bin/sleep", "1000", own_pid_namespace=number == 0))
        ).pid
        for number in range(2)
    ]
    await pod.process.stop()
    assert pod.process.returncode == 0
    assert not any(map(lives, pids))
    assert {name: record.signal for name, record in read_exits(pod.process.run_dir).items()} == {"c0": 9, "c1": 9}
    assert not (pod.process.run_dir / "control.sock").exists()


async def test_stop_kills_orphans_that_were_adopted(pod: Pod) -> None:
    script = "setsid sleep 1000 & echo $!"
    await pod.start("parent", container_plan(pod.root, "/bin/sh", "-c", script, own_pid_namespace=False))
    await pod.exit_of("parent")
    orphan = int(pod.output("parent"))
    assert lives(orphan)
    await pod.process.stop()
    assert not lives(orphan)


async def test_sigterm_to_the_pod_process_is_forwarded(pod: Pod) -> None:
    script = "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.01; done"
    await pod.start("polite", container_plan(pod.root, "/bin/sh", "-c", script))
    await pod.log_has("polite", b"up\n")
    os.kill(pod.process.pid, signal.SIGTERM)
    await asyncio.wait_for(pod.process.died(), 30)
    assert read_exits(pod.process.run_dir)["polite"].exit_code == 4
    assert pod.output("polite") == b"up\nbye\n"
    assert pod.process.returncode == 0


@pytest.mark.core
async def test_kill_9_of_the_pod_process_takes_everything_with_it(pod: Pod) -> None:
    closed = asyncio.Event()
    pod.process.on_closed = closed.set
    started = [await pod.start("c", container_plan(pod.root, "/bin/sh", "-c", "sleep 1000 & sleep 2000"))]
    started.append(await pod.start("h", container_plan(pod.root, "/bin/sleep", "1000", own_pid_namespace=False)))
    running = await pod.process.exec("c", encoded(exec_plan("/bin/sleep", "3000")), stdout=False, stderr=False)
    os.kill(pod.process.pid, signal.SIGKILL)
    await asyncio.wait_for(closed.wait(), 30)
    assert not pod.process.alive
    assert pod.process.returncode == -9
    with pytest.raises(PodGoneError):
        await running.wait()
    async with asyncio.timeout(30):
        while any(lives(process.pid) for process in (*started, running)):
            await asyncio.sleep(0.005)
    starts = read_starts(pod.process.run_dir)
    assert set(starts) == {"c", "h", running.id}  # what a next daemon finds: started, and no exit
    assert read_exits(pod.process.run_dir) == {}


async def test_hundred_containers_are_forgotten_without_residue(pod: Pod) -> None:
    await asyncio.gather(*(pod.run(f"c{number}", "/bin/true") for number in range(20)))
    await asyncio.gather(*(pod.process.forget(f"c{number}") for number in range(20)))
    assert await pod.process.list_processes() == {}
    assert os.listdir(pod.process.run_dir / "containers") == os.listdir(pod.process.run_dir / "exits") == []


async def test_forget_is_refused_while_it_runs(pod: Pod) -> None:
    await pod.start("busy", container_plan(pod.root, "/bin/sleep", "1000"))
    with pytest.raises(PodProcessError) as error:
        await pod.process.forget("busy")
    assert error.value.errno == errno.EBUSY
    assert (await pod.process.list_processes())["busy"].phase == ProcessPhase.RUNNING


async def test_a_large_plan_travels_in_a_file(pod: Pod) -> None:
    argument = "x" * 120_000
    record = await pod.run("large", "/bin/sh", "-c", "echo ${#1}", "sh", argument)
    assert record.exit_code == 0
    assert pod.output("large") == b"120000\n"


async def test_an_idle_pod_process_has_little_memory_of_its_own(pod: Pod) -> None:
    await pod.run("chatty", "/bin/sh", "-c", "yes x | head -c 3000000")
    await pod.start("main", container_plan(pod.root, "/bin/sleep", "1000"))

    def private_kib() -> int:
        lines = Path(f"/proc/{pod.process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))

    async with asyncio.timeout(30):
        while private_kib() >= 512:
            await asyncio.sleep(0.05)
