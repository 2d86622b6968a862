"""kill -9 of pod processes, and of the daemon with them: nothing is lost, doubled or left behind.

The daemon alone, at any instant: ``scripts/bench kills``.
"""

import os
import signal
import subprocess
from pathlib import Path

COUNTING = "trap 'exit 0' TERM; i=0; while true; do i=$((i+1)); echo line $i; sleep 0.1; done"
FOREVER = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


def container(pod, index=0):
    return pod["status"]["containerStatuses"][index]


def kill_pod_processes(daemon):
    for pid in daemon.pod_processes():
        os.kill(pid, signal.SIGKILL)


def restarted(daemon, name, count):
    """Wait until the pod's container runs for the count-th time; the pod."""

    def look():
        pod = daemon.get(name)
        statuses = pod["status"].get("containerStatuses")
        return pod if statuses and statuses[0]["restartCount"] == count and "running" in statuses[0]["state"] else None

    return daemon.until(look)


def test_a_killed_pod_process_by_policy(own_daemon, pod):
    daemon = own_daemon
    port = {"ports": [{"containerPort": 80, "hostPort": 43117}]}
    daemon.create(pod("always", COUNTING, container=port, restartPolicy="Always"))
    daemon.create(pod("onfailure", FOREVER, restartPolicy="OnFailure"))
    daemon.create(pod("never", FOREVER))
    before = {name: daemon.running(name) for name in ("always", "onfailure", "never")}
    kill_pod_processes(daemon)
    always, onfailure = restarted(daemon, "always", 1), restarted(daemon, "onfailure", 1)
    for after in (always, onfailure):
        assert container(after)["lastState"]["terminated"]["exitCode"] == 137
        old = before[after["metadata"]["name"]]
        assert container(after)["containerID"] != container(old)["containerID"]
    never = daemon.phase("never", "Failed")
    assert container(never)["state"]["terminated"]["exitCode"] == 137
    assert container(never)["restartCount"] == 0
    assert daemon.logs("always", "?previous=true").startswith("line 1\n")
    assert daemon.logs("always").startswith("line 1\n")
    assert always["status"]["podIP"] != onfailure["status"]["podIP"]
    daemon.until(lambda: len(daemon.pod_processes()) == 2)


def test_the_daemon_and_a_pod_process_together(own_daemon, pod):
    daemon = own_daemon
    port = {"ports": [{"containerPort": 80, "hostPort": 43118}]}
    daemon.create(pod("always", COUNTING, container=port, restartPolicy="Always"))
    daemon.create(pod("never", FOREVER))
    daemon.create(pod("untouched", COUNTING, restartPolicy="Always"))
    for name in ("always", "never"):
        daemon.running(name)
    untouched = container(daemon.running("untouched"))
    spared = untouched["containerID"].removeprefix("pyrt://")
    daemon.kill()
    for pid in daemon.pod_processes():
        run_dir = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[1]
        if not Path(run_dir, "containers", spared).exists():
            os.kill(pid, signal.SIGKILL)
    daemon.until(lambda: len(daemon.pod_processes()) == 1)
    daemon.start()
    after = container(restarted(daemon, "always", 1))
    assert after["lastState"]["terminated"]["exitCode"] == 137
    assert container(daemon.phase("never", "Failed"))["state"]["terminated"]["exitCode"] == 137
    assert container(daemon.running("untouched")) == untouched
    assert daemon.logs("always", "?previous=true").startswith("line 1\n")


def test_pod_processes_die_while_their_pods_are_made(own_daemon, pod):
    """Killed at once, with the daemon and without."""
    daemon = own_daemon
    for number in range(6):
        daemon.create(pod(f"p{number}", FOREVER, restartPolicy="Always"))
        if number % 2:
            daemon.kill()
        kill_pod_processes(daemon)
        if number % 2:
            daemon.start()
    names = [f"p{number}" for number in range(6)]
    for name in names:
        daemon.running(name)
    daemon.until(lambda: len(daemon.pod_processes()) == len(names))
    assert len({daemon.get(name)["status"]["podIP"] for name in names}) == len(names)


def test_a_set_user_id_program_does_not_outlive_its_pod(own_daemon, pod):
    """Executing one makes the kernel forget that the container dies with the pod process."""
    daemon = own_daemon
    mounts = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    make = {
        "name": "make",
        "image": "busybox:1.36",
        "command": ["sh", "-c", "cp /bin/busybox /d/sh; chmod 4755 /d/sh"],
        **mounts,
    }
    marker = f"marker-{os.getpid()}-{id(daemon)}"
    first = mounts | {
        "command": ["/d/sh", "-c", f": {marker}; {FOREVER}"],
        "securityContext": {"runAsUser": 1000},
    }
    volumes = [{"name": "d", "emptyDir": {}}]
    for name, kill_daemon in (("one", False), ("two", True)):
        daemon.create(pod(name, container=first, initContainers=[make], volumes=volumes))
        daemon.running(name)
        assert len(_with(marker)) == 1
        if kill_daemon:
            daemon.kill()
        kill_pod_processes(daemon)
        if kill_daemon:
            daemon.until(lambda: not daemon.pod_processes())
            daemon.start()
        daemon.phase(name, "Failed")
        daemon.until(lambda: not _with(marker))


def _with(marker):
    """Containers' first processes with the word in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            spaces = Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2].splitlines()[0].split()
        except OSError:
            continue
        if marker.encode() in line and len(spaces) > 1 and spaces[-1] == "1":
            found.append(int(pid))
    return found


def test_a_pod_process_that_cannot_be_reached(own_daemon, pod):
    """Somebody removed /run/pyrt under running pods: they cannot be taken over, and must not run on beside new ones."""
    daemon = own_daemon
    daemon.create(pod("always", FOREVER, restartPolicy="Always"))
    daemon.create(pod("never", FOREVER))
    daemon.running("always")
    daemon.running("never")
    old = set(daemon.pod_processes())
    daemon.kill()
    subprocess.run(["rm", "-rf", daemon.config.paths.run], check=True)
    daemon.start()
    restarted(daemon, "always", 1)
    daemon.phase("never", "Failed")
    daemon.until(lambda: len(daemon.pod_processes()) == 1)
    assert not old & set(daemon.pod_processes())
