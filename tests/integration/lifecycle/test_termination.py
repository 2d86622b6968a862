"""How containers and pods end: signals, grace, deadline, reasons and last words."""

from __future__ import annotations

import pytest

from tests.integration.lifecycle.conftest import FOREVER, container


def ended(pod, name="app"):
    return container(pod, name)["state"]["terminated"]


@pytest.mark.core
def test_a_deadline_ends_everything_with_hooks_and_grace(daemon, name, pod, shell):
    hook = {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >>/tmp/last"]}}}}
    text = "trap 'cat /tmp/last >/dev/termination-log; exit 3' TERM; while :; do sleep 0.05; done"
    side = shell("side", FOREVER, restartPolicy="Always")
    made = pod(text, container=hook, initContainers=[side], activeDeadlineSeconds=1, terminationGracePeriodSeconds=30)
    daemon.apply(made)
    found = daemon.phase(name, "Failed")
    status = found["status"]
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    found = daemon.wait_for(name, lambda p: all("terminated" in container(p, c)["state"] for c in ("app", "side")))
    assert (ended(found)["exitCode"], ended(found)["reason"], ended(found)["message"]) == (3, "Error", "hook\n")
    assert ended(found)["finishedAt"] <= ended(found, "side")["finishedAt"]
    assert daemon.told(name, "DeadlineExceeded")["type"] == "Normal"


def test_who_does_not_listen_is_killed_when_the_grace_is_over(daemon, name, pod):
    text = "trap '' TERM; while :; do sleep 0.05; done"
    daemon.apply(pod(text, activeDeadlineSeconds=1, terminationGracePeriodSeconds=1))
    daemon.state(name, "app", "terminated")
    found = daemon.get(name)
    assert (ended(found)["exitCode"], ended(found)["reason"]) == (137, "Error")
    assert ended(found)["startedAt"] < ended(found)["finishedAt"]


def test_a_stop_signal_of_ones_own(daemon, name, pod):
    text = "trap 'exit 7' USR1; trap '' TERM; while :; do sleep 0.05; done"
    fields = {"lifecycle": {"stopSignal": "SIGUSR1"}}
    daemon.apply(pod(text, container=fields, os={"name": "linux"}, activeDeadlineSeconds=1))
    daemon.running(name)
    assert container(daemon.get(name), "app")["stopSignal"] == "SIGUSR1"
    daemon.state(name, "app", "terminated")
    found = daemon.get(name)
    assert ended(found)["exitCode"] == 7


def test_a_deadline_may_come_later_and_end_a_running_pod(daemon, name, pod):
    made = pod(terminationGracePeriodSeconds=30)
    daemon.apply(made)
    daemon.running(name)
    made["spec"]["activeDeadlineSeconds"] = 1
    daemon.apply(made)
    assert daemon.phase(name, "Failed")["status"]["reason"] == "DeadlineExceeded"


LAST_WORDS = {
    "file": ("echo log; printf file >/last; exit 1", "FallbackToLogsOnError", "file"),
    "log": ("echo log; exit 1", "FallbackToLogsOnError", "log\n"),
    "success": ("echo log", "FallbackToLogsOnError", None),
    "file-only": ("echo log; exit 1", "File", None),
    "long-file": ("printf %5000s x >/last; exit 1", "File", " " * 4096),
    "long-log": ("yes long | head -c 5000; exit 1", "FallbackToLogsOnError", "long\n" * 80),
    "no-file": ("rm /last; exit 1", "File", None),
}


def test_last_words(daemon, name, pod, shell):
    made = pod("true")
    made["spec"]["containers"] = [
        shell(who, script, terminationMessagePath="/last", terminationMessagePolicy=policy)
        for who, (script, policy, _) in LAST_WORDS.items()
    ]
    daemon.apply(made)
    found = daemon.phase(name, "Failed")
    assert {who: ended(found, who).get("message") for who in LAST_WORDS} == {
        who: message for who, (_, _, message) in LAST_WORDS.items()
    }


def test_too_much_memory(daemon, name, pod):
    fields = {"resources": {"limits": {"memory": "16Mi"}}}
    daemon.apply(pod("tail /dev/zero", container=fields))
    found = ended(daemon.phase(name, "Failed"))
    assert (found["exitCode"], found["reason"]) == (137, "OOMKilled")
    assert daemon.row(name)[2] == "OOMKilled"


def test_reasons_of_an_end(daemon, name, pod, shell):
    made = pod("exit 0")
    made["spec"]["containers"] += [
        shell("error", "exit 5"),
        shell("signal", "sh -c 'kill -9 $$$$'; exit $?"),
        {**shell("missing"), "command": ["/no/such"]},
    ]
    daemon.apply(made)
    found = daemon.phase(name, "Failed")
    told = {who: (ended(found, who)["exitCode"], ended(found, who)["reason"]) for who in ("app", "error", "signal")}
    assert told == {"app": (0, "Completed"), "error": (5, "Error"), "signal": (137, "Error")}
    assert ended(found, "missing")["reason"] in ("StartError", "ContainerCannotRun")
    assert ended(found, "missing")["exitCode"] in (127, 128)


def test_readiness_is_still_asked_of_a_pod_on_its_way_down_and_liveness_is_not(daemon, name, pod):
    fields = {
        "readinessProbe": {"exec": {"command": ["cat", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1},
        "livenessProbe": {"exec": {"command": ["cat", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1},
    }
    text = "touch /tmp/ok; trap 'rm /tmp/ok' TERM; while :; do sleep 0.05; done"
    daemon.apply(pod(text, container=fields, terminationGracePeriodSeconds=3600))
    daemon.condition(name, "Ready", "True")
    daemon.delete(name)
    daemon.condition(name, "Ready", "False")
    assert "deletionTimestamp" in daemon.get(name)["metadata"]
    assert not [e for e in daemon.events(name) if "iveness" in e["message"]]
    daemon.delete(name, 1)
    daemon.gone(name)
