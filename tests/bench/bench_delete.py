"""How long after a pod's last process is gone its deletion is answered (DELETED reaches a watcher)."""

from __future__ import annotations

import os
import select
import statistics
import threading
import time
from pathlib import Path

import daemon
import harness

ROUNDS = int(os.environ.get("PYRT_BENCH_ROUNDS", "40"))


def process_of(argument: str) -> int:
    """The pid of the process that runs ``/bin/sleep ARGUMENT``."""
    wanted = f"/bin/sleep\0{argument}\0".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == wanted:
                return int(entry.name)
        except OSError:
            continue
    raise RuntimeError(f"no process runs sleep {argument}")


def delete_times(server: daemon.Daemon, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the process's end to DELETED, and from the DELETE request to DELETED."""
    after_exit, whole = [], []
    for number in range(rounds):
        name, argument = f"delete-{number}", str(100000 + number)
        server.create(daemon.pod(name, "/bin/sleep", argument))
        server.wait(name, daemon.running)
        pidfd = os.pidfd_open(process_of(argument))
        ended: list[int] = []

        def note_end(fd: int = pidfd, ended: list[int] = ended) -> None:
            select.select([fd], [], [])
            ended.append(time.perf_counter_ns())

        watcher = threading.Thread(target=note_end)
        watcher.start()
        events = server.watch()
        started = time.perf_counter_ns()
        server.delete(name)
        for kind, item in events:
            if kind == "DELETED" and item["metadata"]["name"] == name:
                break
        answered = time.perf_counter_ns()
        watcher.join()
        os.close(pidfd)
        after_exit.append(max(0, answered - ended[0]) / 1e6)
        whole.append((answered - started) / 1e6)
    return after_exit, whole


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        with daemon.daemon(directory, rootfs) as server:
            delete_times(server, 3)
            after_exit, whole = delete_times(server, ROUNDS)
        teardown = harness.floor(directory, rootfs, 40)["teardown_us"] / 1000
    harness.row("delete", "last_process_gone_to_answer", statistics.median(after_exit), "ms")
    harness.row("delete", "last_process_gone_to_answer_max", max(after_exit), "ms")
    harness.row("delete", "delete_to_gone", statistics.median(whole), "ms", "floor teardown", teardown)


if __name__ == "__main__":
    main()
