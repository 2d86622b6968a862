"""Restarts: by policy and by rule, what they keep and what they count, and the back-off."""

from __future__ import annotations

import itertools
import json
from datetime import datetime

import msgspec
import pytest

from .conftest import FOREVER, container, running

DATA = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
VOLUMES = [{"name": "data", "emptyDir": {}}]


def ends_first_with(code, then=FOREVER):
    """A script that ends at once the first time, and is another one afterwards."""
    return f"[ -e /data/again ] && {{ {then}; }}; touch /data/again; echo first life; exit {code}"


def time_of(text):
    return datetime.fromisoformat(text)


@pytest.mark.core
def test_a_restart_keeps_the_pod(daemon, name, pod, shell):
    """The same addresses, sandbox and volumes; the end before is told, and its log can be read."""
    manifest = pod(FOREVER, restartPolicy="Always", volumes=VOLUMES)
    manifest["spec"]["containers"].append(shell("worker", ends_first_with(7), **DATA))
    daemon.apply(manifest)
    worker = daemon.restarted(name, "worker", 1)
    assert worker["lastState"]["terminated"]["exitCode"] == 7
    assert worker["lastState"]["terminated"]["reason"] == "Error"
    assert worker["lastState"]["terminated"]["containerID"] != worker["containerID"]
    assert daemon.pyrt("logs", name, "-c", "worker", "--previous").out == "first life\n"
    assert daemon.pyrt("logs", name, "-c", "worker").out == ""
    status = daemon.get(name)["status"]
    assert container({"status": status}, "app")["restartCount"] == 0
    assert len(daemon.pod_processes()) == 1
    for one in ("app", "worker"):
        assert status["podIP"] in daemon.exec(name, "ip", "-o", "addr", query=f"&container={one}")[1]


@pytest.mark.parametrize(
    ("policy", "code", "phase", "count"),
    [("OnFailure", 5, "Succeeded", 1), ("OnFailure", 0, "Succeeded", 0), ("Never", 5, "Failed", 0)],
)
def test_the_pods_policy(daemon, name, pod, policy, code, phase, count):
    daemon.apply(pod(ends_first_with(code, "exit 0"), container=DATA, restartPolicy=policy, volumes=VOLUMES))
    status = daemon.phase(name, "Succeeded", "Failed")["status"]
    assert (status["phase"], status["containerStatuses"][0]["restartCount"]) == (phase, count)


@pytest.mark.parametrize(
    ("rule", "phase", "count"),
    [
        ({"operator": "In", "values": [42]}, "Succeeded", 1),
        ({"operator": "NotIn", "values": [0]}, "Succeeded", 1),
        ({"operator": "In", "values": [41]}, "Failed", 0),
    ],
)
def test_the_containers_own_policy_and_rules(daemon, name, pod, rule, phase, count):
    fields = {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart", "exitCodes": rule}]}
    first = {**DATA, **fields}
    daemon.apply(pod(ends_first_with(42, "exit 0"), container=first, restartPolicy="Always", volumes=VOLUMES))
    status = daemon.phase(name, "Succeeded", "Failed")["status"]
    assert (status["phase"], status["containerStatuses"][0]["restartCount"]) == (phase, count)


@pytest.mark.core
def test_one_container_restarts_all(daemon, name, pod, shell):
    """RestartAllContainers: from the first init container on, in the same sandbox."""
    rules = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]
    after_app = "while [ ! -e /data/app ]; do sleep 0.05; done; " + ends_first_with(42)
    source = shell("source", after_app, **DATA, restartPolicy="Never", restartPolicyRules=rules)
    init = shell("init", "echo >>/data/inits", **DATA)
    manifest = pod("echo app; touch /data/app; " + FOREVER, container=DATA, volumes=VOLUMES, initContainers=[init])
    manifest["spec"]["containers"].append(source)
    daemon.apply(manifest)
    daemon.restarted(name, "source", 1)
    app = daemon.restarted(name, "app", 1)
    assert app["lastState"]["terminated"]["reason"] == "RestartingAllContainers"
    pod_now = daemon.get(name)
    init, source = container(pod_now, "init"), container(pod_now, "source")
    assert init["restartCount"] == 1
    assert source["lastState"]["terminated"]["exitCode"] == 42
    assert daemon.exec(name, "wc", "-l", "/data/inits", query="&container=source")[1].split()[0] == "2"
    assert daemon.condition(name, "AllContainersRestarting", "False")
    assert daemon.pyrt("logs", name, "-c", "app", "--previous").out == "app\n"
    assert len(daemon.pod_processes()) == 1


def test_the_second_restart_waits(daemon, name, pod):
    daemon.apply(pod("exit 1", restartPolicy="Always"))
    status = daemon.state(name, "app", "waiting", "CrashLoopBackOff")
    uid = daemon.get(name)["metadata"]["uid"]
    assert status["state"]["waiting"]["message"] == (
        f"back-off 10s restarting failed container=app pod={name}_default({uid})"
    )
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert daemon.row(name)[1:3] == ["0/1", "CrashLoopBackOff"]
    assert daemon.get(name)["status"]["phase"] == "Running"
    event = daemon.told(name, "BackOff")
    assert event["message"] == f"Back-off restarting failed container app in pod {name}_default({uid})"
    assert event["involvedObject"]["fieldPath"] == "spec.containers{app}"


def impatient(config):
    return msgspec.structs.replace(config, runtime=msgspec.structs.replace(config.runtime, crash_loop_max_seconds=2))


def test_counts_and_back_off_outlive_the_daemon(layout, name, pod):
    """On a node that waits for two seconds at most."""
    with running(layout, change=impatient) as daemon:
        daemon.apply(pod("date; exit 1", restartPolicy="Always"))
        before = daemon.state(name, "app", "waiting", "CrashLoopBackOff")
        assert before["state"]["waiting"]["message"].startswith("back-off 2s restarting")
        daemon.kill()
        daemon.start()
        # What an instance was is in its own status; the one before it in lastState.
        seen = {}

        def look():
            status = container(daemon.get(name), "app")
            for state in (status["state"], status["lastState"]):
                if ended := state.get("terminated"):
                    seen[ended["containerID"]] = ended
            return status["restartCount"] >= before["restartCount"] + 2 and len(seen) >= 3

        daemon.until(look)
        lives = sorted(seen.values(), key=lambda ended: ended["startedAt"])
        for one, after in itertools.pairwise(lives):
            assert (time_of(after["startedAt"]) - time_of(one["finishedAt"])).total_seconds() >= 1, json.dumps(lives)
