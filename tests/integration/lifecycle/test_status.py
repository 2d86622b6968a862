"""The status of a pod, field by field, as the kubelet would write it; and the line that a user sees of it."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import FOREVER, container

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
CONDITIONS = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]


def plain(value):
    """With times and ids replaced by words, so that the rest can be compared as a whole."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and TIME.fullmatch(value):
        return "TIME"
    return re.sub(r"[0-9a-f]{64}", "ID", value) if isinstance(value, str) else value


@pytest.mark.core
def test_a_running_pod(daemon, name, pod):
    first = {
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {"runAsUser": 1000, "runAsGroup": 3000},
        "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    }
    daemon.apply(pod(FOREVER, container=first, volumes=[{"name": "data", "emptyDir": {}}]))
    daemon.wait(f"pod/{name}", "condition=Ready")
    found = daemon.get(name)
    status = plain(found["status"])
    addresses = [status.pop("podIP"), status.pop("podIPs"), status.pop("hostIP"), status.pop("hostIPs")]
    assert addresses[1][0] == {"ip": addresses[0]}
    assert addresses[3][0] == {"ip": addresses[2]}
    true = {"observedGeneration": 1, "status": "True", "lastProbeTime": None, "lastTransitionTime": "TIME"}
    assert status == {
        "observedGeneration": 1,
        "phase": "Running",
        "conditions": [{"type": one, **true} for one in CONDITIONS],
        "startTime": "TIME",
        "containerStatuses": [
            {
                "name": "app",
                "state": {"running": {"startedAt": "TIME"}},
                "lastState": {},
                "ready": True,
                "restartCount": 0,
                "image": "docker.io/library/busybox:1.36",
                "imageID": "docker.io/library/busybox@sha256:ID",
                "containerID": "pyrt://ID",
                "started": True,
                "allocatedResources": {"cpu": "10m", "memory": "16Mi"},
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data", "readOnly": True, "recursiveReadOnly": "Disabled"}
                ],
                "user": {"linux": {"uid": 1000, "gid": 3000, "supplementalGroups": [2000, 3000]}},
            }
        ],
        "qosClass": "Burstable",
    }
    assert found["metadata"]["generation"] == 1
    assert daemon.row(name)[1:4] == ["1/1", "Running", "0"]


def test_a_pod_that_has_ended(daemon, name, pod, shell):
    """What is false says why; containers are in the order of their names, init containers in that of the spec."""
    manifest = pod("exit 3", initContainers=[shell("zero", "true"), shell("a-second", "true")])
    manifest["spec"]["containers"].append(shell("another", "true"))
    daemon.apply(manifest)
    status = plain(daemon.phase(name, "Failed")["status"])
    daemon.condition(name, "PodReadyToStartContainers", "False")
    status = plain(daemon.get(name)["status"])
    assert [one["name"] for one in status["containerStatuses"]] == ["another", "app"]
    assert [one["name"] for one in status["initContainerStatuses"]] == ["zero", "a-second"]
    conditions = {one["type"]: (one["status"], one.get("reason")) for one in status["conditions"]}
    assert conditions == {
        "PodReadyToStartContainers": ("False", None),
        "Initialized": ("True", None),
        "Ready": ("False", "PodFailed"),
        "ContainersReady": ("False", "PodFailed"),
        "PodScheduled": ("True", None),
    }
    app = container({"status": status}, "app")
    ended = app["state"]["terminated"]
    assert {"exitCode": 3, "reason": "Error", "startedAt": "TIME", "finishedAt": "TIME"}.items() <= ended.items()
    assert (app["ready"], app["started"]) == (False, False)
    assert status["podIP"]
    assert daemon.row(name)[1:4] == ["0/2", "Error", "0"]


def test_transition_times_move_only_with_the_status(daemon, name, pod):
    script = "[ -e /data/again ] || { touch /data/again; sleep 1.2; exit 1; }; " + FOREVER
    first = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    daemon.apply(pod(script, container=first, restartPolicy="Always", volumes=[{"name": "data", "emptyDir": {}}]))
    before = {one["type"]: one["lastTransitionTime"] for one in daemon.running(name)["status"]["conditions"]}
    daemon.restarted(name, "app", 1)
    daemon.condition(name, "Ready", "True")
    after = {one["type"]: one["lastTransitionTime"] for one in daemon.get(name)["status"]["conditions"]}
    assert {kind for kind in after if after[kind] != before[kind]} <= {"Ready", "ContainersReady"}


def test_readiness_gates_wait_for_conditions_of_others(daemon, name, pod):
    daemon.apply(pod(FOREVER, readinessGates=[{"conditionType": "example.com/lit"}]))
    daemon.condition(name, "ContainersReady", "True")
    ready = daemon.condition(name, "Ready", "False")
    assert ready["reason"] == "ReadinessGatesNotReady"
    assert ready["message"] == 'corresponding condition of pod readiness gate "example.com/lit" does not exist.'
    patch = {"status": {"conditions": [{"type": "example.com/lit", "status": "True"}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    daemon.call("PATCH", f"/api/v1/namespaces/default/pods/{name}/status", patch, headers)
    daemon.condition(name, "Ready", "True")
    assert daemon.pyrt("get", "pod", name, "-o", "wide", "--no-headers").out.split()[-1] == "1/1"


def test_an_image_that_cannot_be_had(daemon, name, pod):
    daemon.apply(pod("true", container={"image": "nosuch.invalid/x:1", "imagePullPolicy": "Never"}))
    status = daemon.state(name, "app", "waiting", "ErrImageNeverPull")
    message = 'Container image "nosuch.invalid/x:1" is not present with pull policy of Never'
    assert status["state"]["waiting"]["message"] == message
    assert daemon.row(name)[1:4] == ["0/1", "ErrImageNeverPull", "0"]
    assert daemon.get(name)["status"]["phase"] == "Pending"


def test_a_gated_pod(daemon, name, pod):
    daemon.apply(pod(FOREVER, schedulingGates=[{"name": "example.com/wait"}]))
    assert daemon.condition(name, "PodScheduled", "False")["reason"] == "SchedulingGated"
    assert daemon.row(name)[1:4] == ["0/1", "SchedulingGated", "0"]


def test_a_pod_that_is_going(daemon, name, pod):
    daemon.apply(pod("trap '' TERM; " + FOREVER.partition(";")[2], terminationGracePeriodSeconds=600))
    daemon.running(name)
    daemon.pyrt("delete", "pod", name, "--wait=false")
    assert daemon.row(name)[1:4] == ["1/1", "Terminating", "0"]
    meta = daemon.get(name)["metadata"]
    assert (meta["deletionGracePeriodSeconds"], meta["generation"]) == (600, 2)
    assert daemon.wait_for(name, lambda p: p["status"]["observedGeneration"] == 2)


def test_the_programs_that_print_it(daemon, name, pod):
    daemon.apply(pod("exit 4"))
    daemon.phase(name, "Failed")
    described = daemon.pyrt("describe", "pod", name).out
    assert re.search(r"State:\s+Terminated\n\s+Reason:\s+Error\n\s+Exit Code:\s+4", described)
    assert json.loads(daemon.pyrt("get", "pod", name, "-o", "json").out)["status"]["phase"] == "Failed"
