"""The pod process is killed: its pod gets a new sandbox, or ends, as its restart policy says."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import FOREVER, container

DATA = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
VOLUMES = [{"name": "data", "emptyDir": {}}]


def kill_pod_process(daemon):
    (pid,) = daemon.pod_processes()
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.core
def test_a_new_sandbox_begins_with_the_init_containers(daemon, name, pod, shell):
    init = shell("init", "echo >>/data/inits", **DATA)
    sidecar = shell("proxy", FOREVER, restartPolicy="Always")
    manifest = pod(FOREVER, container=DATA, initContainers=[init, sidecar], volumes=VOLUMES, restartPolicy="Always")
    daemon.apply(manifest)
    daemon.wait(f"pod/{name}", "condition=Ready")
    before = daemon.get(name)
    old = kill_pod_process(daemon)
    app = daemon.restarted(name, "app", 1)
    assert app["lastState"]["terminated"]["exitCode"] == 137
    daemon.wait(f"pod/{name}", "condition=Ready")
    after = daemon.get(name)
    assert [container(after, one)["restartCount"] for one in ("init", "proxy", "app")] == [1, 1, 1]
    assert daemon.pod_processes() != [old]
    assert after["status"]["startTime"] == before["status"]["startTime"]
    # The volumes are the pod's, not the sandbox's.
    assert daemon.exec(name, "wc", "-l", "/data/inits")[1].split()[0] == "2"
    assert after["status"]["podIP"] in daemon.exec(name, "ip", "-o", "addr")[1]
    message = "Pod sandbox changed, it will be killed and re-created."
    assert daemon.told(name, "SandboxChanged")["message"] == message


def test_a_pod_that_never_restarts_has_failed(daemon, name, pod):
    daemon.apply(pod(FOREVER))
    daemon.running(name)
    kill_pod_process(daemon)
    status = daemon.phase(name, "Failed", "Succeeded")["status"]
    assert status["phase"] == "Failed"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    assert status["containerStatuses"][0]["restartCount"] == 0
    daemon.until(lambda: daemon.pod_processes() == [])


def test_what_has_succeeded_is_not_repeated_under_onfailure(daemon, name, pod, shell):
    manifest = pod(FOREVER, restartPolicy="OnFailure", volumes=VOLUMES)
    manifest["spec"]["containers"].append(shell("done", "echo >>/data/runs", **DATA))
    daemon.apply(manifest)
    daemon.state(name, "done", "terminated", "Completed")
    daemon.state(name, "app", "running")
    kill_pod_process(daemon)
    daemon.restarted(name, "app", 1)
    done = container(daemon.get(name), "done")
    assert (done["restartCount"], done["state"]["terminated"]["exitCode"]) == (0, 0)


def test_a_deletion_under_way_ends_all_the_same(daemon, name, pod):
    daemon.apply(pod("trap '' TERM; while :; do sleep 0.1; done", terminationGracePeriodSeconds=600))
    daemon.running(name)
    daemon.pyrt("delete", "pod", name, "--wait=false")
    daemon.told(name, "Killing")
    kill_pod_process(daemon)
    daemon.gone(name)
