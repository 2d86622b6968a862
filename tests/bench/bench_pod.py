"""Pod create (the POST) to the end of its container as a watcher sees it, network included, through a warm daemon.

Peers: the C floor (the same work in bare system calls), ``runc run`` and ``crun run`` of one container of the same
program without a network, ``podman kube play``.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import daemon
import harness
import podman

ROUNDS = int(os.environ.get("PYRT_BENCH_ROUNDS", "60"))


def pod_to_exit(server: daemon.Daemon, rounds: int) -> list[float]:
    """Milliseconds from POST to the watch event that says terminated, one pod after another."""
    events = server.watch()
    times = []
    for number in range(rounds):
        name = f"pod-{number}"
        started = time.perf_counter_ns()
        server.create(daemon.pod(name, "/bin/true"))
        for kind, item in events:
            if kind == "MODIFIED" and item["metadata"]["name"] == name and daemon.terminated(item):
                times.append((time.perf_counter_ns() - started) / 1e6)
                break
        server.delete(name)
        for kind, item in events:
            if kind == "DELETED" and item["metadata"]["name"] == name:
                break
    return times


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        with daemon.daemon(directory, rootfs) as server:
            pod_to_exit(server, 5)
            ours: list[float] = []
            floors: list[float] = []
            for _ in range(4):
                floors.append(harness.floor(directory, rootfs, max(ROUNDS // 4, 10))["pod_to_exit_us"] / 1000)
                ours += pod_to_exit(server, ROUNDS // 4)
        value = statistics.median(ours)
        harness.row("pod", "pod_to_exit", value, "ms", "floor", statistics.median(floors))
        harness.row(
            "pod", "pod_to_exit_p99", sorted(ours)[int(len(ours) * 0.99)], "ms", "floor", statistics.median(floors)
        )
        place = harness.bundle(directory, rootfs)
        for runtime in ("runc", "crun"):
            peer = statistics.median(harness.oci_run_times(runtime, place, 20))
            harness.row("pod", "pod_to_exit_vs_run", value, "ms", f"{runtime} run", peer)
        played = podman.kube_play_times(Path(directory), rootfs, 3)
        harness.row("pod", "pod_to_exit_vs_kube_play", value, "ms", "podman kube play", statistics.median(played))


if __name__ == "__main__":
    main()
