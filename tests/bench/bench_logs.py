"""The log pump: bytes of container output a second that become a CRI log. Peer: conmon, fed by the same program.

Both write their log to the same disk, without rotation; two kinds of output: lines of 100 bytes, and lines of 4000.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import harness

from pyrt.launch import operations as ops
from pyrt.launch.plan import Plan
from pyrt.runtime.encodedplan import EncodedPlan
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.podstreams import ContainerIo

MIB = 256
ROUNDS = 3
LINES = (100, 4000)

# What conmon takes for an OCI runtime: "create" starts the program, to which conmon becomes parent, and writes its pid.
RUNTIME = """#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	--pid-file) pid_file=$2; shift ;;
	create) creating=1 ;;
	esac
	shift
done
[ "$creating" ] || exit 0
setsid cat {data} &
echo $! >"$pid_file"
"""


def conmon(directory: Path, log: Path) -> None:
    """One program's whole output through conmon."""
    exits, sockets = directory / "exits", directory / "s"
    exits.mkdir(exist_ok=True)
    sockets.mkdir(exist_ok=True)
    name = log.stem
    subprocess.run(
        ["conmon", "--api-version", "1", "-c", name, "-u", name, "-n", name, "-r", directory / "runtime",
         "-b", directory,
         "-p", directory / "pid", "-l", f"k8s-file:{log}", "--exit-dir", exits,
         "--socket-dir-path", sockets, "--sync", "-P", directory / "conmon.pid"],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def pump(loop: asyncio.AbstractEventLoop, pod: PodProcess, data: Path, log: Path) -> None:
    """The same through a pod process."""

    async def once() -> None:
        done = loop.create_future()
        pod.on_exit = lambda _name, record: done.set_result(record.exit_code)
        plan = Plan((ops.SetSid(), ops.Exec("cat", ("cat", str(data)), ("PATH=/usr/bin:/bin",))))
        await pod.start("cat", EncodedPlan(plan.encode()), ContainerIo(log_path=log, log_max_size=0))
        if await done != 0:
            raise RuntimeError("cat failed")
        await pod.forget("cat")

    loop.run_until_complete(once())


def checked(log: Path, least: int) -> None:
    """Nothing may be missing."""
    if log.stat().st_size < least:
        raise RuntimeError(f"{log}: {log.stat().st_size} bytes, expected {least}")
    log.unlink()


def main() -> None:
    with harness.scratch() as directory, asyncio.Runner() as runner:
        loop = runner.get_loop()
        run_dir = directory / "run"
        run_dir.mkdir()
        netns = os.open("/proc/self/ns/net", os.O_RDONLY)

        async def begin() -> PodProcess:
            pod = PodProcess.spawn(run_dir, "bench/logs", host_netns=netns)
            await pod.play(EncodedPlan(Plan(()).encode()))
            return pod

        pod = runner.run(begin())
        data = directory / "data"
        (directory / "runtime").write_text(RUNTIME.format(data=data))
        (directory / "runtime").chmod(0o755)
        try:
            for width in LINES:
                line = b"x" * (width - 1) + b"\n"
                count = MIB * 1024 * 1024 // width
                data.write_bytes(line * count)
                size = count * (width + 40)  # what our prefix adds; conmon's is longer

                def ours(size: int = size) -> None:
                    pump(loop, pod, data, directory / "pyrt.log")
                    checked(directory / "pyrt.log", size)

                def theirs(size: int = size) -> None:
                    conmon(directory, directory / "conmon.log")
                    checked(directory / "conmon.log", size)

                mine, peer = harness.alternate(ROUNDS, ours, theirs)
                harness.row("logs", f"pump_{width}_byte_lines", MIB / mine * 1000, "MiB/s", "conmon", MIB / peer * 1000)
        finally:
            runner.run(pod.stop())
            os.close(netns)


if __name__ == "__main__":
    main()
