"""What keeping pods well costs: 200 pods with three probes a second each, and the way from a crash to the next start.

Probes of each pod, period 1 s: httpGet and tcpSocket to a busybox httpd in the pod; the third is an httpGet to this
program, which so sees how late it comes, or (every tenth pod) an exec of ``true``. Lateness is counted from the beat
of each pod's most punctual probe. Restarts: from the last instruction of a container's program to the first of its
successor's, without back-off; the floor makes a container without anything around it.
"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from pathlib import Path

import daemon
import harness

PODS = 200
EXECS_EVERY = 10
WINDOW_SECONDS = 15
RESTARTS = 20
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Witness:
    """Answers probes, and writes down when each came."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.seen: dict[str, list[float]] = {}
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            now = time.monotonic()
            with connection:
                words = connection.recv(4096).split(b" ", 2)
                if len(words) == 3:
                    self.seen.setdefault(words[1].decode(), []).append(now)
                    connection.sendall(_ANSWER)

    def lateness(self, since: float) -> list[float]:
        """Milliseconds of every probe after ``since``."""
        found = []
        for times in self.seen.values():
            offsets = [at - round(at - times[0]) for at in times if at >= since]
            found += [(offset - min(offsets)) * 1000 for offset in offsets]
        return sorted(found)


def probed(name: str, number: int, port: int) -> daemon.Pod:
    """A pod with three probes a second."""
    manifest = daemon.pod(name, "/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/etc")
    web = manifest["spec"]["containers"][0]
    beat = {"periodSeconds": 1, "failureThreshold": 10}
    web["livenessProbe"] = {"httpGet": {"path": "/passwd", "port": 8080}, **beat}
    web["readinessProbe"] = {"tcpSocket": {"port": 8080}, **beat}
    side = {**daemon.pod(name, "/bin/sleep", "100000")["spec"]["containers"][0], "name": "side"}
    asked = {"httpGet": {"path": f"/{name}", "port": port, "host": "127.0.0.1"}}
    side["readinessProbe"] = {**({"exec": {"command": ["/bin/true"]}} if number % EXECS_EVERY == 0 else asked), **beat}
    manifest["spec"]["containers"].append(side)
    return manifest


def ready(item: daemon.Pod) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def probes(server: daemon.Daemon) -> None:
    witness = Witness()
    for number in range(PODS):
        server.create(probed(f"probed-{number}", number, witness.port))
    for number in range(PODS):
        server.wait(f"probed-{number}", ready)
    time.sleep(2)
    began, used = time.monotonic(), harness.cpu_seconds(server.pid)
    time.sleep(WINDOW_SECONDS)
    percent = (harness.cpu_seconds(server.pid) - used) / (time.monotonic() - began) * 100
    late = witness.lateness(began)
    unready = sum(not ready(server.api.get(f"{daemon.PODS}/probed-{number}")) for number in range(PODS))
    if unready:
        raise RuntimeError(f"{unready} pods are not ready")
    expected = (PODS - PODS // EXECS_EVERY) * WINDOW_SECONDS
    harness.row("lifecycle", f"daemon_cpu_percent_{PODS}_pods_3_probes", percent, "%")
    harness.row("lifecycle", f"daemon_rss_mib_{PODS}_pods", harness.rss_mib(server.pid), "MiB")
    harness.row("lifecycle", "probe_lateness_median", statistics.median(late), "ms")
    harness.row("lifecycle", "probe_lateness_p99", late[len(late) * 99 // 100], "ms")
    harness.row("lifecycle", "probes_seen_of_expected", len(late) / expected * 100, "%")


def restart_latency(server: daemon.Daemon, directory: Path) -> float:
    """Median milliseconds from a crash to the next instance."""
    taken = []
    for number in range(RESTARTS):
        data = directory / f"data-{number}"
        data.mkdir()
        manifest = daemon.pod(f"crash-{number}", "/bin/crash", "/data/times", restartPolicy="Always")
        manifest["spec"]["volumes"] = [{"name": "data", "hostPath": {"path": str(data)}}]
        manifest["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        server.create(manifest)
        deadline = time.monotonic() + 30
        while not (data / "times").exists() or len(lines := (data / "times").read_text().splitlines()) < 3:
            if time.monotonic() > deadline:
                raise RuntimeError(f"crash-{number} was not restarted")
            time.sleep(0.02)
        _, ended, again = (int(line.split()[1]) for line in lines)
        taken.append((again - ended) / 1e6)
        server.delete(f"crash-{number}")
    return statistics.median(taken)


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        harness.run("cc", "-O2", "-static", "-o", str(rootfs / "bin/crash"), str(harness.HERE / "crash.c"))
        with daemon.daemon(directory, rootfs) as server:
            ours = restart_latency(server, directory)
            server.gone()
            floor = harness.floor(directory, rootfs, 40)["container_us"] / 1000
            harness.row("lifecycle", "crash_to_exec", ours, "ms", "floor container", floor)
            probes(server)


if __name__ == "__main__":
    main()
