"""Fifty pods created at once: pods per second until the last has ended. Peer: the floor in two processes.

The client shares the two processors with what it measures, and the floor has none; so it does as little as a client
can: requests are made before the clock starts and go over a few connections that stay open, and of the watch only those
events are decoded that tell of an end.
"""

from __future__ import annotations

import json
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import daemon
import harness

PODS = 50
CONNECTIONS = 4


def post(path: Path, requests: list[bytes]) -> None:
    """Send requests one after the other over one connection, each after the answer to the one before."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        for request in requests:
            connection.sendall(request)
            received = b""
            while (end := received.find(b"\r\n\r\n")) < 0:
                received += _more(connection)
            head = received[:end].lower()
            if not head.startswith(b"http/1.1 201"):
                raise RuntimeError(received.decode())
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(received) < end + 4 + length:
                received += _more(connection)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise RuntimeError("the daemon closed the connection")
    return data


def creation(name: str) -> bytes:
    """The request that creates a pod."""
    body = json.dumps(daemon.pod(name, "/bin/true")).encode()
    head = f"POST {daemon.PODS} HTTP/1.1\r\nHost: pyrt\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def burst(server: daemon.Daemon, name: str) -> float:
    """Pods per second."""
    lines = server.watch_lines()
    requests = [creation(f"{name}-{number}") for number in range(PODS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        started = time.perf_counter()
        lanes = [pool.submit(post, server.socket, requests[lane::CONNECTIONS]) for lane in range(CONNECTIONS)]
        ended: set[str] = set()
        for line in lines:
            if b'"terminated":' not in line:
                continue
            item = json.loads(line)["object"]
            if daemon.terminated(item):
                ended.add(item["metadata"]["name"])
                if len(ended) == PODS:
                    break
        taken = time.perf_counter() - started
        for lane in lanes:
            lane.result()
    lines.close()
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
