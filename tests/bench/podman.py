"""podman as a peer: in a network namespace and a store of its own, so that the host keeps nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import harness

CONTAINERS_CONF = """[containers]
default_ulimits=["nofile=1024:1024","nproc=4096:4096"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
"""

POD = """apiVersion: v1
kind: Pod
metadata: {name: bench}
spec:
  restartPolicy: Never
  containers:
  - {name: app, image: localhost/bench:1, command: ["/bin/true"]}
"""

# Runs inside the private namespaces: import once, then play and tear down, printing the milliseconds of each play.
SCRIPT = """
import subprocess, sys, time
base, rounds = sys.argv[1], int(sys.argv[2])
podman = ["podman", "--root", base + "/root", "--runroot", base + "/run", "--tmpdir", base + "/tmp"]
def call(*words):
    subprocess.run([*podman, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
call("import", base + "/image.tar", "localhost/bench:1")
for i in range(rounds + 1):
    t = time.perf_counter_ns()
    call("kube", "play", base + "/pod.yaml")
    if i: print((time.perf_counter_ns() - t) / 1e6, flush=True)
    call("kube", "down", base + "/pod.yaml")
call("system", "reset", "--force")
"""


def private(base: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in its own network and mount namespaces with loopback up, podman's configuration set.

    What it leaves in the cgroup file system is removed.
    """
    base.mkdir(exist_ok=True)
    (base / "containers.conf").write_text(CONTAINERS_CONF)
    wrapped = [
        "unshare",
        "-n",
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        'ip link set lo up; exec "$@"',
        "sh",
        *command,
    ]
    env = {"CONTAINERS_CONF": str(base / "containers.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(base)}
    before = set(Path("/sys/fs/cgroup").glob("*/libpod_parent"))
    try:
        return harness.run(*wrapped, env=env)
    finally:
        for parent in set(Path("/sys/fs/cgroup").glob("*/libpod_parent")) - before:
            for group in sorted((p for p in parent.rglob("*") if p.is_dir()), reverse=True):
                group.rmdir()
            parent.rmdir()


def kube_play_times(directory: Path, rootfs: Path, rounds: int) -> list[float]:
    """Milliseconds of each ``podman kube play`` of a pod with one container (it returns when that was started)."""
    base = directory / "podman"
    base.mkdir()
    harness.run("tar", "-C", str(rootfs), "-cf", str(base / "image.tar"), ".")
    (base / "pod.yaml").write_text(POD)
    (base / "play.py").write_text(SCRIPT)
    lines = private(base, sys.executable, str(base / "play.py"), str(base), str(rounds)).stdout
    return [json.loads(line) for line in lines.splitlines()]
