"""The daemon dies at any moment; the pods do not, and the next daemon knows everything that happened meanwhile."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

import pytest

from pyrt.client.http import Request, send

from .conftest import PATIENCE, PODS, Daemon

FOREVER = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


def container(pod, index=0):
    return pod["status"]["containerStatuses"][index]


@pytest.mark.core
def test_running_pods_are_adopted(own_daemon, pod):
    daemon = own_daemon
    daemon.create(pod("web", "echo first; " + FOREVER))
    before = daemon.running("web")
    pids = daemon.pod_processes()
    daemon.kill()
    assert daemon.pod_processes() == pids
    daemon.start()
    after = daemon.running("web")
    assert container(after) == container(before)
    assert after["status"]["podIPs"] == before["status"]["podIPs"]
    assert daemon.exec("web", "echo", "hi") == (0, "hi\n", "")
    assert daemon.logs("web") == "first\n"
    daemon.delete("web")
    daemon.gone("web")


def test_exit_codes_and_log_lines_of_the_time_between(own_daemon, pod):
    daemon = own_daemon
    mounts = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    directory = daemon.file.parent
    volumes = [{"name": "d", "hostPath": {"path": str(directory)}}]
    script = "echo before; while [ ! -e /d/go ]; do sleep 0.05; done; echo after; touch /d/done; exit 7"
    daemon.create(pod("web", script, container=mounts, volumes=volumes))
    daemon.running("web")
    daemon.kill()
    (directory / "go").touch()
    daemon.until((directory / "done").exists)
    daemon.start()
    state = container(daemon.phase("web", "Failed"))["state"]["terminated"]
    assert state["exitCode"] == 7
    assert daemon.logs("web") == "before\nafter\n"


def test_a_pod_that_is_just_being_made(own_daemon, pod):
    """Killed at a random instant between the request and the running container, again and again."""
    daemon = own_daemon
    for number in range(5):
        daemon.create(pod(f"p{number}", FOREVER))
        daemon.kill()
        daemon.start()
    for number in range(5):
        daemon.running(f"p{number}")
    assert len(daemon.pod_processes()) == 5


def test_a_deletion_goes_on(own_daemon, pod):
    daemon = own_daemon
    daemon.create(pod("web", "trap '' TERM; while true; do sleep 0.1; done", terminationGracePeriodSeconds=2))
    daemon.running("web")
    daemon.delete("web")
    daemon.kill()
    daemon.start()
    daemon.gone("web")
    daemon.until(lambda: not daemon.leftovers())


def test_what_a_forced_deletion_left_is_cleared_away(own_daemon, pod):
    daemon = own_daemon
    daemon.create(pod("web", "trap '' TERM; while true; do sleep 0.1; done"))
    daemon.running("web")
    daemon.delete("web", 0)
    daemon.kill()
    daemon.start()
    daemon.until(lambda: not daemon.leftovers() and not daemon.pod_processes())


@pytest.mark.core
def test_a_pod_process_that_dies_is_replaced(own_daemon, pod):
    daemon = own_daemon
    daemon.create(pod("web", FOREVER, restartPolicy="Always"))
    before = daemon.running("web")
    (pid,) = daemon.pod_processes()
    subprocess.run(["kill", "-9", str(pid)], check=True)

    def look():
        after = daemon.get("web")
        statuses = after["status"]["containerStatuses"]
        return after if statuses[0]["restartCount"] == 1 and "running" in statuses[0]["state"] else None

    after = daemon.until(look)
    assert container(after)["containerID"] != container(before)["containerID"]


def test_stopping_the_daemon_stops_no_pod(own_daemon, pod):
    daemon = own_daemon
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    pids = daemon.pod_processes()
    daemon.stop()
    assert daemon.pod_processes() == pids
    assert not daemon.config.api_socket.exists()
    daemon.start()
    daemon.running("web")


def test_streams_end_when_the_daemon_stops(own_daemon, pod):
    daemon = own_daemon
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    with (
        send(daemon.socket, Request("GET", f"{PODS}?watch=true", {}), timeout=PATIENCE) as watch,
        send(daemon.socket, Request("GET", f"{PODS}/web/log?follow=true", {}), timeout=PATIENCE) as log,
    ):
        assert watch.status == log.status == 200
        daemon.stop()
    daemon.start()


def test_a_second_daemon_is_refused(own_daemon):
    second = Daemon(own_daemon.file.parent, own_daemon.config, "second.log")
    command = [sys.executable, "-c", "import sys; from pyrt.daemon import run; sys.exit(run(sys.argv[1]))", second.file]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert found.returncode == 1
    assert "another" in found.stderr
    assert own_daemon.call("GET", "/version")["major"] == "1"


def test_run_is_empty_after_a_boot(own_daemon, pod):
    """What a reboot does: every process is gone, and /run is empty."""
    daemon = own_daemon
    daemon.create(pod("always", "echo hi; " + FOREVER, restartPolicy="Always"))
    daemon.create(pod("never", FOREVER))
    daemon.running("always")
    daemon.running("never")
    daemon.kill()
    for pid in daemon.pod_processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    daemon.until(lambda: not daemon.pod_processes())
    shutil.rmtree(daemon.config.paths.run)
    daemon.start()
    # The status of before the boot is what a client sees until the pod has been looked at.
    daemon.until(lambda: container(daemon.running("always"))["restartCount"] == 1)
    assert daemon.phase("never", "Failed")["status"]["phase"] == "Failed"
