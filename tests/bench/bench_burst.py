"""Fifty pods created at once: pods per second until the last has ended. Peer: the floor in two processes."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import daemon
import harness

PODS = 50


def burst(server: daemon.Daemon, name: str) -> float:
    """Pods per second."""
    events = server.watch()
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        creations = [pool.submit(server.create, daemon.pod(f"{name}-{n}", "/bin/true")) for n in range(PODS)]
        ended: set[str] = set()
        for kind, item in events:
            if kind == "MODIFIED" and daemon.terminated(item):
                ended.add(item["metadata"]["name"])
                if len(ended) == PODS:
                    break
        taken = time.perf_counter() - started
        for creation in creations:
            creation.result()
    for number in range(PODS):
        server.delete(f"{name}-{number}")
    server.gone()
    return PODS / taken


def floor_pair(directory: Path, rootfs: Path) -> float:
    """Pods per second of two floors side by side, their teardown included."""
    harness.floor(directory, rootfs, 5)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(harness.floor, directory, rootfs, PODS) for _ in range(2)]
        return sum(1e6 / (r.result()["pod_to_exit_us"] + r.result()["teardown_us"]) for r in runs)


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        with daemon.daemon(directory, rootfs) as server:
            burst(server, "warm")
            ours, floors = [], []
            for number in range(4):
                floors.append(floor_pair(directory, rootfs))
                ours.append(burst(server, f"burst{number}"))
    harness.row("burst", "pods_per_second", statistics.median(ours), "1/s", "floor x2", statistics.median(floors))


if __name__ == "__main__":
    main()
