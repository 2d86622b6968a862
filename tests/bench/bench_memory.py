"""What fifty running pods cost: private memory of the pod processes, the daemon's resident set and idle CPU."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import daemon
import harness

PODS = 50
IDLE_SECONDS = 20


def pod_processes() -> list[int]:
    """Pids of every pyrt-pod on the machine."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == "pyrt-pod":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        with daemon.daemon(directory, rootfs) as server:
            before = set(pod_processes())
            empty = harness.rss_mib(server.pid)
            for number in range(PODS):
                server.create(daemon.pod(f"idle-{number}", "/bin/sleep", "100000"))
            for number in range(PODS):
                server.wait(f"idle-{number}", daemon.running)
            time.sleep(2)
            pids = [pid for pid in pod_processes() if pid not in before]
            private = [harness.private_kib(pid) for pid in pids]
            harness.row("memory", "pod_private_kib", statistics.median(private), "KiB")
            harness.row("memory", "pod_private_kib_max", max(private), "KiB")
            harness.row("memory", "daemon_rss_mib_no_pods", empty, "MiB")
            harness.row("memory", f"daemon_rss_mib_{PODS}_pods", harness.rss_mib(server.pid), "MiB")
            used = harness.cpu_seconds(server.pid)
            time.sleep(IDLE_SECONDS)
            percent = (harness.cpu_seconds(server.pid) - used) / IDLE_SECONDS * 100
            harness.row("memory", f"daemon_idle_cpu_percent_{PODS}_pods", percent, "%")


if __name__ == "__main__":
    main()
