"""exec of ``true`` in a running container: from the request to the exit code. Peer: nsenter(1) doing the same."""

from __future__ import annotations

import select
import subprocess

import bench_delete
import daemon
import harness

from pyrt.client.api import target
from pyrt.client.remotecommand import exit_code, open_remote

ROUNDS = 60
SLEEP = "200001"


def execute(server: daemon.Daemon, name: str) -> None:
    """One exec through the API's WebSocket; fails unless it exits 0."""
    query = {"command": ["/bin/true"], "container": "app", "stdout": True, "stderr": True}
    stream = open_remote(str(server.socket), target(f"{daemon.PODS}/{name}/exec", query))
    try:
        while not stream.closed and stream.status is None:
            if not stream.pending:
                select.select([stream], [], [], 10)
            for _ in stream.receive():
                pass
        if exit_code(stream.status) != 0:
            raise RuntimeError(f"exec: {stream.status}")
    finally:
        stream.close()


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        with daemon.daemon(directory, rootfs) as server:
            server.create(daemon.pod("exec", "/bin/sleep", SLEEP))
            server.wait("exec", daemon.running)
            pid = str(bench_delete.process_of(SLEEP))
            enter = ["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "/bin/true"]
            ours, peer = harness.alternate(
                ROUNDS, lambda: execute(server, "exec"), lambda: subprocess.run(enter, check=True)
            )
    harness.row("exec", "exec_true", ours, "ms", "nsenter", peer)


if __name__ == "__main__":
    main()
