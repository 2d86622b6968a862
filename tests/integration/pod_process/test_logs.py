"""Container output on disk: the CRI format, long lines, rotation, reopening, full disks."""

# ruff: noqa: ASYNC110, ASYNC221 - what other processes write to files can only be looked for
from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from pyrt.runtime.poderrors import PodProcessError
from pyrt.runtime.podprocess import PodProcess

from .conftest import Pod, container_plan, encoded, sandbox_plan

RECORD = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] ")
NUMBERS = b"".join(b"%d\n" % number for number in range(1, 100_001))


def assert_whole(data: bytes) -> None:
    """Every line is one record."""
    assert data.endswith(b"\n")
    assert all(RECORD.match(line) for line in data.split(b"\n")[:-1])


@pytest.mark.core
async def test_the_format_is_the_cris(pod: Pod) -> None:
    await pod.run("c", "/bin/sh", "-c", "echo one; echo; printf three")
    lines = pod.log("c").split(b"\n")
    assert [line[31:] for line in lines] == [b"stdout F one", b"stdout F ", b"stdout P three", b""]
    assert_whole(pod.log("c"))


async def test_times_are_now_and_do_not_go_back(pod: Pod) -> None:
    before = subprocess.check_output(["date", "-u", "+%Y-%m-%dT%H:%M:%S"], text=True).strip()
    await pod.run("c", "/bin/sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.01; done")
    times = [line.split()[0].decode() for line in pod.log("c").split(b"\n")[:-1]]
    assert times == sorted(times)
    assert times[0] >= before
    assert times[0][:4] == before[:4]


async def test_a_long_line_is_cut_at_16_kib(pod: Pod) -> None:
    await pod.run("c", "/bin/sh", "-c", "yes x | tr -d '\\n' | head -c 40000; echo end")
    records = pod.log("c").split(b"\n")[:-1]
    assert [(record.split(b" ", 3)[2], len(record.split(b" ", 3)[3])) for record in records] == [
        (b"P", 16384),
        (b"P", 16384),
        (b"F", 40003 - 2 * 16384),
    ]


async def test_binary_output_is_kept_byte_for_byte(pod: Pod, workdir: Path) -> None:
    data = os.urandom(3_000_000)
    (workdir / "data").write_bytes(data)
    plan = container_plan(pod.root, "/bin/cat", "/data", binds=((workdir / "data", "data"),))
    await pod.start("c", plan)
    await pod.exit_of("c")
    assert pod.output("c") == data


async def test_stdout_and_stderr_keep_their_own_unfinished_lines(pod: Pod) -> None:
    script = "printf a; sleep 0.05; printf b >&2; sleep 0.05; echo c; sleep 0.05; echo d >&2"
    await pod.run("c", "/bin/sh", "-c", script)
    assert [line.split(b" ", 1)[1] for line in pod.log("c").split(b"\n")[:-1]] == [b"stdout F ac", b"stderr F bd"]


@pytest.mark.core
async def test_rotation_under_load_loses_nothing(pod: Pod) -> None:
    await pod.run("c", "/bin/seq", "100000", log_max_size=100_000, log_max_files=0)
    files = sorted(pod.logs.glob("c.log.*"))
    assert len(files) > 40
    assert all(re.fullmatch(r"c\.log\.\d{8}-\d{6}(-\d{3})?", file.name) for file in files)
    for file in [*files, pod.logs / "c.log"]:
        assert file.stat().st_size <= 100_000
        assert_whole(file.read_bytes())
    assert pod.output("c") == NUMBERS


async def test_only_so_many_files_are_kept_and_they_are_the_newest(pod: Pod) -> None:
    await pod.run("c", "/bin/seq", "100000", log_max_size=50_000, log_max_files=3)
    assert len(os.listdir(pod.logs)) == 3
    kept = pod.output("c")
    assert NUMBERS.endswith(kept)
    assert kept


async def test_other_files_in_the_directory_are_left_alone(pod: Pod) -> None:
    for name in ("c.log.gz", "c.login", "d.log.20200101-000000", "c.log-1"):
        (pod.logs / name).write_text("mine")
    await pod.run("c", "/bin/seq", "100000", log_max_size=50_000, log_max_files=2)
    assert len(os.listdir(pod.logs)) == 6


async def test_reopen_follows_a_rename(pod: Pod) -> None:
    await pod.start("c", container_plan(pod.root, "/bin/sh", "-c", "echo before; read x; echo after"), stdin=True)
    await pod.log_has("c", b"before\n")
    (pod.logs / "c.log").rename(pod.logs / "renamed")
    await pod.process.reopen_log("c")
    attached = await pod.process.attach("c", stdin=True, stdout=False, stderr=False)
    assert attached.stdin is not None
    os.write(attached.stdin, b"\n")
    os.close(attached.stdin)
    await pod.exit_of("c")
    assert pod.output("c") == b"after\n"
    assert (pod.logs / "renamed").read_bytes().endswith(b"before\n")


async def test_a_restart_appends(pod: Pod) -> None:
    await pod.run("c", "/bin/echo", "one")
    await pod.process.forget("c")
    del pod.exits["c"]
    await pod.run("c", "/bin/echo", "two")
    assert pod.output("c") == b"one\ntwo\n"


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
async def test_what_is_no_file_is_never_written_to(pod: Pod, kind: str, workdir: Path) -> None:
    log = pod.logs / "c.log"
    (workdir / "victim").write_text("precious")
    match kind:
        case "link":
            log.symlink_to(workdir / "victim")
        case "fifo":
            os.mkfifo(log)
        case _:
            log.mkdir()
    with pytest.raises(PodProcessError) as error:
        await pod.start("c", container_plan(pod.root, "/bin/true"))
    assert error.value.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR)
    assert (workdir / "victim").read_text() == "precious"
    assert await pod.process.list_processes() == {}


@contextlib.contextmanager
def small_disk(where: Path, size: str) -> Iterator[None]:
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def grow(where: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", where], check=True)


@pytest.fixture
async def cramped(
    spawn: Callable[[str], PodProcess], busybox_root: Path, workdir: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Pod]:
    """A pod whose logs lie on a file system of its own, of the size that the test is parametrised with."""
    with small_disk(workdir / "cramped", request.param):
        pod = Pod(spawn("cramped-pod"), busybox_root, workdir / "cramped")
        pod.listen()
        await pod.process.play(encoded(sandbox_plan()))
        yield pod
        await pod.process.stop()


@pytest.mark.parametrize("cramped", ["512k"], indirect=True)
async def test_a_full_disk_neither_tears_records_nor_stops_the_container(cramped: Pod) -> None:
    pod = cramped
    script = "echo first; seq 200000; echo done >&2; read x; echo last"
    await pod.start("c", container_plan(pod.root, "/bin/sh", "-c", script), stdin=True, log_max_size=0)
    attached = await pod.process.attach("c", stdin=True, stdout=False, stderr=False)
    assert attached.stdin is not None
    async with asyncio.timeout(30):
        while (await pod.process.list_processes())["c"].log_lost == 0:
            await asyncio.sleep(0.02)
    assert_whole((pod.logs / "c.log").read_bytes())
    os.write(attached.stdin, b"\n")  # "last" may be lost too, but the container goes on
    os.close(attached.stdin)
    assert (await pod.exit_of("c")).exit_code == 0
    grow(pod.logs)
    await pod.log_has("c", b"bytes of log lost: No space left on device\n")  # told after the exit too
    assert pod.output("c", b"stdout").startswith(b"first\n1\n2\n")
    assert_whole(pod.log("c"))


@pytest.mark.parametrize("cramped", ["64k"], indirect=True)
async def test_a_disk_that_is_full_for_a_moment_costs_nothing(cramped: Pod) -> None:
    pod = cramped
    await pod.start("c", container_plan(pod.root, "/bin/seq", "100000"), log_max_size=0)
    async with asyncio.timeout(30):
        while (pod.logs / "c.log").stat().st_size < 40_000:
            await asyncio.sleep(0.001)
    grow(pod.logs)
    assert (await pod.exit_of("c")).exit_code == 0
    assert pod.output("c") == NUMBERS
