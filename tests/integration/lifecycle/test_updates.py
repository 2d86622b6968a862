"""Changes to a pod that runs: what may change in place, what is refused, and what holds its deletion."""

import json

import pytest

from tests.integration.lifecycle.conftest import FOREVER, IMAGE, PODS, container


def ids(pod):
    return {status["name"]: status["containerID"] for status in pod["status"]["containerStatuses"]}


@pytest.mark.core
@pytest.mark.parametrize("policy", ["Always", "Never"])
def test_a_new_image_restarts_that_container_alone(daemon, name, pod, shell, policy):
    manifest = pod("echo $$; " + FOREVER, restartPolicy=policy)
    manifest["spec"]["containers"].append(shell("other"))
    daemon.apply(manifest)
    before = daemon.running(name)
    # The image's id is a name of it as well.
    image = before["status"]["containerStatuses"][0]["imageID"]
    manifest["spec"]["containers"][0]["image"] = image
    assert daemon.apply(manifest).out == f"pod/{name} configured\n"
    daemon.restarted(name, "app", 1)
    after = daemon.get(name)
    assert ids(before)["app"] != ids(after)["app"]
    assert ids(before)["other"] == ids(after)["other"]
    assert before["status"]["podIP"] == after["status"]["podIP"]
    assert "definition changed, will be restarted" in daemon.told(name, "Killing")["message"]
    assert container(after, "app")["lastState"]["terminated"]["exitCode"] == 0
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    daemon.wait_for(name, lambda found: found["status"]["observedGeneration"] == after["metadata"]["generation"])


def test_apply_merges_three_ways(daemon, name, pod):
    manifest = pod()
    manifest["metadata"] |= {"labels": {"a": "1", "b": "1"}, "annotations": {"note": "x"}}
    daemon.apply(manifest)
    daemon.pyrt("label", "pod", name, "theirs=1")
    assert daemon.apply(manifest).out == f"pod/{name} unchanged\n"
    manifest["metadata"]["labels"] = {"b": "2"}
    assert daemon.apply(manifest).out == f"pod/{name} configured\n"
    assert daemon.get(name)["metadata"]["labels"] == {"b": "2", "theirs": "1"}


def test_what_may_not_change_is_refused_with_the_difference(daemon, name, pod):
    manifest = pod()
    daemon.apply(manifest)
    before = daemon.running(name)
    manifest["spec"]["containers"][0]["command"] = ["sh", "-c", "exit 1"]
    said = daemon.apply(manifest, check=False)
    assert said.code == 1
    assert said.err.startswith(
        f'The Pod "{name}" is invalid: spec: Forbidden: pod updates may not change fields other than '
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n@@ -"
    )
    assert '+    "exit 1"' in said.err
    assert daemon.get(name)["status"]["containerStatuses"] == before["status"]["containerStatuses"]


def test_the_deadline_may_only_come_nearer(daemon, name, pod):
    daemon.apply(pod())
    daemon.running(name)

    def deadline(value, check=True):
        patch = json.dumps({"spec": {"activeDeadlineSeconds": value}})
        return daemon.pyrt("patch", "pod", name, "-p", patch, check=check)

    deadline(1000)
    assert "must be less than or equal to previous value" in deadline(1001, check=False).err
    assert "must not update from a positive integer to nil value" in deadline(None, check=False).err
    deadline(1)
    assert daemon.phase(name, "Failed")["status"]["reason"] == "DeadlineExceeded"


def test_tolerations_are_only_added(daemon, name, pod):
    daemon.apply(pod(tolerations=[{"key": "a", "operator": "Exists"}]))
    tolerations = daemon.get(name)["spec"]["tolerations"]

    def patch(value, check=True):
        return daemon.pyrt("patch", "pod", name, "-p", json.dumps({"spec": {"tolerations": value}}), check=check)

    patch([*tolerations, {"key": "b", "operator": "Exists"}])
    said = patch(tolerations, check=False)
    why = "existing toleration can not be modified except its tolerationSeconds"
    assert f"spec.tolerations: Forbidden: {why}" in said.err


@pytest.mark.core
def test_finalizers_keep_the_object_and_not_the_processes(daemon, name, pod):
    manifest = pod()
    manifest["metadata"]["finalizers"] = ["example.com/hold"]
    daemon.apply(manifest)
    daemon.running(name)
    daemon.pyrt("delete", "pod", name, "--wait=false")
    held = daemon.wait_for(name, lambda found: found["metadata"].get("deletionGracePeriodSeconds") == 0)
    assert held["status"]["phase"] == "Succeeded"
    assert container(held, "app")["state"]["terminated"]["exitCode"] == 0
    assert daemon.pod_processes() == []
    patch = {"metadata": {"finalizers": ["example.com/more"]}}
    said = daemon.pyrt("patch", "pod", name, "-p", json.dumps(patch), check=False)
    assert "no new finalizers can be added if the object is being deleted" in said.err
    daemon.pyrt("patch", "pod", name, "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
    daemon.gone(name)


def test_a_held_pod_is_still_held_by_the_next_daemon(own_daemon, name, pod):
    manifest = pod()
    manifest["metadata"]["finalizers"] = ["example.com/hold"]
    own_daemon.apply(manifest)
    own_daemon.running(name)
    own_daemon.pyrt("delete", "pod", name, "--force", "--wait=false")
    own_daemon.wait_for(name, lambda found: found["status"]["phase"] == "Failed")
    own_daemon.kill()
    own_daemon.start()
    assert own_daemon.get(name)["metadata"]["deletionTimestamp"]
    assert own_daemon.pod_processes() == []
    own_daemon.pyrt(
        "patch", "pod", name, "-p", '{"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/hold"]}}'
    )
    own_daemon.gone(name)


def test_gates_are_taken_away(daemon, name, pod):
    daemon.apply(pod("true", schedulingGates=[{"name": "example.com/wait"}]))
    assert daemon.condition(name, "PodScheduled", "False")["reason"] == "SchedulingGated"
    daemon.pyrt("patch", "pod", name, "--type=merge", "-p", '{"spec": {"schedulingGates": null}}')
    daemon.phase(name, "Succeeded")


def test_replace_needs_the_present_version(daemon, name, pod):
    daemon.apply(pod())
    daemon.running(name)
    found = json.loads(daemon.pyrt("get", "pod", name, "-o", "json").out)
    daemon.pyrt("label", "pod", name, "a=b")
    said = daemon.pyrt("replace", "-f", "-", stdin=json.dumps(found), check=False)
    assert said.err.endswith(
        f'Operation cannot be fulfilled on pods "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again\n"
    )
    found = json.loads(daemon.pyrt("get", "pod", name, "-o", "json").out)
    found["metadata"]["labels"] = {"c": "d"}
    daemon.pyrt("replace", "-f", "-", stdin=json.dumps(found))
    assert daemon.get(name)["metadata"]["labels"] == {"c": "d"}


def test_a_readiness_gate_is_opened_through_status(daemon, name, pod):
    daemon.apply(pod(readinessGates=[{"conditionType": "example.com/ready"}]))
    daemon.running(name)
    assert daemon.condition(name, "Ready", "False")["reason"] == "ReadinessGatesNotReady"
    patch = {"status": {"conditions": [{"type": "example.com/ready", "status": "True"}]}}
    daemon.pyrt("patch", "pod", name, "--subresource=status", "-p", json.dumps(patch))
    daemon.wait(f"pod/{name}", "condition=Ready")


def test_dry_runs_change_nothing(daemon, name, pod):
    manifest = pod()
    daemon.apply(manifest)
    manifest["metadata"]["labels"] = {"a": "b"}
    for how in ("client", "server"):
        said = daemon.pyrt("apply", "-f", "-", f"--dry-run={how}", stdin=json.dumps(manifest))
        assert said.out == f"pod/{name} configured ({'server ' if how == 'server' else ''}dry run)\n"
    said = daemon.pyrt("diff", "-f", "-", stdin=json.dumps(manifest), check=False)
    assert said.code == 1
    assert "\n+    a: b\n" in said.out
    assert "labels" not in daemon.get(name)["metadata"]
    assert daemon.call("GET", PODS)["items"][0]["spec"]["containers"][0]["image"] == IMAGE
