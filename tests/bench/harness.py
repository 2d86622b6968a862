"""What every benchmark shares: rows of results, timing, the floor, a bundle for the OCI peers.

A benchmark is a program, ``tests/bench/bench_<name>.py``, that prints one JSON object a line on standard output::

    {"bench": "pod", "metric": "pod_to_exit", "value": 9, "unit": "ms", "peer": "floor", "peer_value": 6, "ratio": 1.5}

``ratio`` is ours divided by the peer's, both measured in this very run, in turns where that is possible, so that a
slow machine slows both. Medians are quoted. ``scripts/bench`` runs the programs and prints the table.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def row(bench: str, metric: str, value: float, unit: str, peer: str = "", peer_value: float | None = None) -> None:
    """Print one result."""
    ratio = round(value / peer_value, 3) if peer_value else None
    record = {
        "bench": bench,
        "metric": metric,
        "value": round(value, 3),
        "unit": unit,
        "peer": peer or None,
        "peer_value": None if peer_value is None else round(peer_value, 3),
        "ratio": ratio,
    }
    print(json.dumps(record), flush=True)


def note(text: str) -> None:
    """Say something to the person who waits; the table is not disturbed."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def milliseconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter_ns()
    function()
    return (time.perf_counter_ns() - started) / 1e6


def alternate(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """Median milliseconds of each function, called in turns (A B A B ...), after one warm-up of each."""
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            taken.append(milliseconds(function))
    return [statistics.median(taken) for taken in times]


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run to the end; fails loudly."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-800:]}")
    return done


@contextmanager
def scratch_run() -> Iterator[Path]:
    """A run directory where every machine with systemd has /run: in memory."""
    path = Path(tempfile.mkdtemp(prefix="pyrt-bench-", dir="/dev/shm"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is gone afterwards, on the disk (not a tmpfs) as /var/lib would be."""
    path = Path(tempfile.mkdtemp(prefix="pyrt-bench-", dir="/var/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def busybox_root(directory: Path) -> Path:
    """A root directory with a static busybox: true, sh, cat, sleep..."""
    root = directory / "rootfs"
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in ("sh", "true", "cat", "sleep", "echo", "yes", "head"):
        link = root / "bin" / applet
        if not link.is_symlink():
            link.symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    return root


def floor(directory: Path, rootfs: Path, pods: int) -> dict[str, float]:
    """Run the C floor: ``{"pod_to_exit_us": ..., ...}``; see floor.c."""
    program = directory / "floor"
    if not program.exists():
        run("cc", "-O2", "-o", str(program), str(HERE / "floor.c"))
    lines = run(str(program), str(rootfs), str(pods)).stdout.splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines)}


def bundle(directory: Path, rootfs: Path) -> Path:
    """An OCI bundle that runs ``true`` with no network namespace of its own set up, for runc and crun."""
    place = directory / "bundle"
    place.mkdir(exist_ok=True)
    config_file = place / "config.json"
    config_file.unlink(missing_ok=True)
    run("runc", "spec", cwd=place)
    config = json.loads(config_file.read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/bin/true"]
    config["process"]["rlimits"] = []
    config["root"] = {"path": str(rootfs), "readonly": True}
    config_file.write_text(json.dumps(config))
    return place


def oci_run_times(runtime: str, place: Path, rounds: int) -> list[float]:
    """Milliseconds of each ``RUNTIME run`` of the bundle.

    crun refuses a hybrid cgroup machine; it is given a private mount namespace without the unified mount, in which
    it sees a plain v1 machine.
    """
    script = (
        "import os, subprocess, sys, time\n"
        "name, bundle, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])\n"
        "for i in range(rounds + 1):\n"
        "    t = time.perf_counter_ns()\n"
        "    subprocess.run([name, 'run', '--bundle', bundle, f'bench-{os.getpid()}-{i}'], check=True)\n"
        "    if i: print((time.perf_counter_ns() - t) / 1e6)\n"
    )
    command = [sys.executable, "-c", script, runtime, str(place), str(rounds)]
    if runtime == "crun" and Path("/sys/fs/cgroup/unified").is_mount():
        inner = 'umount /sys/fs/cgroup/unified && exec "$@"'
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", inner, "sh", *command]
    return [float(line) for line in run(*command).stdout.split()]


def private_kib(pid: int) -> int:
    """Private_Clean + Private_Dirty of a process, in KiB (proc_pid_smaps_rollup(5))."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_"):
            total += int(line.split()[1])
    return total


def rss_mib(pid: int) -> float:
    """Resident set of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no VmRSS for {pid}")


def cpu_seconds(pid: int) -> float:
    """User and system time used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """One line that describes where this was measured."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown processor",
    )
    kernel = os.uname().release
    return f"{os.cpu_count()} x {model}, Linux {kernel}, Python {sys.version.split()[0]}"
