"""Visits to a running pod: ``pyrt debug`` and the containers that it adds."""

import json

import pytest

from tests.integration.lifecycle.conftest import FOREVER, IMAGE, PODS, container

DEBUG = f"--image={IMAGE}"


@pytest.mark.core
def test_a_guest_sees_the_network_and_the_processes_of_its_target(daemon, name, pod):
    daemon.apply(pod("exec sleep 1000000"))
    address = daemon.running(name)["status"]["podIP"]
    daemon.pyrt("debug", name, DEBUG, "-c", "guest", "--target=app", "--", "sh", "-c", FOREVER)
    status = daemon.state(name, "guest", "running")
    assert (status["ready"], status["restartCount"]) == (False, 0)
    assert "sleep 1000000" in daemon.exec(name, "ps", query="&container=guest")[1]
    assert address in daemon.exec(name, "ip", "-o", "addr", query="&container=guest")[1]
    # It traces what it looks at: the general profile gives it SYS_PTRACE.
    assert daemon.exec(name, "readlink", "/proc/1/exe", query="&container=guest")[1].strip() == "/bin/busybox"
    assert daemon.exec(name, "cat", "/proc/1/root/etc/hostname", query="&container=guest")[1].strip() == name
    assert [s["name"] for s in daemon.get(name)["status"]["containerStatuses"]] == ["app"]


def test_without_a_target_it_has_processes_of_its_own(daemon, name, pod):
    daemon.apply(pod("exec sleep 1000000"))
    daemon.running(name)
    daemon.pyrt("debug", name, DEBUG, "-c", "guest", "--", "sh", "-c", FOREVER)
    daemon.state(name, "guest", "running")
    assert "sleep 1000000" not in daemon.exec(name, "ps", query="&container=guest")[1]


def test_output_is_attached_and_the_log_is_kept(daemon, name, pod):
    daemon.apply(pod())
    daemon.running(name)
    said = daemon.pyrt(
        "debug", name, DEBUG, "-i", "-c", "guest", "--", "sh", "-c", "read line; echo got $line", stdin="hello\n"
    )
    assert "got hello\n" in said.out
    ended = daemon.state(name, "guest", "terminated")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert daemon.pyrt("logs", name, "-c", "guest").out == "got hello\n"
    assert "guest" in daemon.pyrt("describe", "pod", name).out


def test_a_guest_that_ended_stays_ended(daemon, name, pod):
    daemon.apply(pod(restartPolicy="Always"))
    daemon.running(name)
    daemon.pyrt("debug", name, DEBUG, "-c", "first", "--", "sh", "-c", "exit 3")
    assert daemon.state(name, "first", "terminated")["state"]["terminated"]["exitCode"] == 3
    # The next one has come and gone, and the first has not been looked after.
    daemon.pyrt("debug", name, DEBUG, "-c", "second", "--", "true")
    daemon.state(name, "second", "terminated")
    assert container(daemon.get(name), "first")["restartCount"] == 0
    assert daemon.get(name)["status"]["phase"] == "Running"


def test_it_may_come_while_the_pod_still_initialises(daemon, name, pod, shell):
    daemon.apply(pod(initContainers=[shell("init")]))
    daemon.state(name, "init", "running")
    daemon.pyrt("debug", name, DEBUG, "-c", "guest", "--target=init", "--", "sh", "-c", FOREVER)
    daemon.state(name, "guest", "running")
    assert daemon.get(name)["status"]["phase"] == "Pending"
    assert "trap" in daemon.exec(name, "ps", query="&container=guest")[1]


def test_it_shares_the_pods_volumes_and_its_pid_namespace_if_it_has_one(daemon, name, pod):
    mount = [{"name": "data", "mountPath": "/data"}]
    manifest = pod(
        "echo here > /data/file; exec sleep 1000000",
        container={"volumeMounts": mount},
        volumes=[{"name": "data", "emptyDir": {}}],
        shareProcessNamespace=True,
    )
    daemon.apply(manifest)
    daemon.running(name)
    guest = {"name": "guest", "image": IMAGE, "command": ["sh", "-c", FOREVER], "volumeMounts": mount}
    daemon.call(
        "PATCH",
        f"{PODS}/{name}/ephemeralcontainers",
        {"spec": {"ephemeralContainers": [guest]}},
        {"Content-Type": "application/strategic-merge-patch+json"},
    )
    daemon.state(name, "guest", "running")
    assert daemon.exec(name, "cat", "/data/file", query="&container=guest")[1] == "here\n"
    assert "sleep 1000000" in daemon.exec(name, "ps", query="&container=guest")[1]


@pytest.mark.core
def test_the_pod_ends_without_its_guest(daemon, name, pod):
    daemon.apply(pod("while [ ! -e /tmp/end ]; do sleep 0.05; done"))
    daemon.running(name)
    daemon.pyrt("debug", name, DEBUG, "-c", "guest", "--", "sh", "-c", FOREVER)
    daemon.state(name, "guest", "running")
    daemon.exec(name, "touch", "/tmp/end")
    daemon.phase(name, "Succeeded")
    daemon.state(name, "guest", "terminated")


def test_a_guest_survives_the_daemon(own_daemon, name, pod):
    own_daemon.apply(pod())
    own_daemon.running(name)
    own_daemon.pyrt("debug", name, DEBUG, "-c", "guest", "--", "sh", "-c", FOREVER)
    before = own_daemon.state(name, "guest", "running")["containerID"]
    own_daemon.kill()
    own_daemon.start()
    assert own_daemon.state(name, "guest", "running")["containerID"] == before


def test_an_image_that_is_not_there(daemon, name, pod):
    daemon.apply(pod())
    daemon.running(name)
    daemon.pyrt("debug", name, "--image=localhost/nothing:1", "--image-pull-policy=Never", "-c", "guest")
    assert daemon.state(name, "guest", "waiting", "ErrImageNeverPull")


def test_refusals(daemon, name, pod):
    daemon.apply(pod())
    daemon.running(name)
    said = daemon.pyrt("debug", name, DEBUG, "-c", "app", check=False)
    assert said.code == 1
    assert 'spec.ephemeralContainers[0].name: Duplicate value: "app"' in said.err
    said = daemon.pyrt("debug", name, DEBUG, "--target=nobody", check=False)
    assert 'targetContainerName: Not found: "nobody"' in said.err
    said = daemon.pyrt("debug", "nobody", DEBUG, check=False)
    assert said.err == 'Error from server (NotFound): pods "nobody" not found\n'


def test_a_copy_leaves_the_pod_alone(daemon, name, pod):
    daemon.apply(pod("exec sleep 1000000") | {"metadata": {"name": name, "labels": {"app": "web"}}})
    daemon.running(name)
    copy = f"{name}-copy"
    daemon.pyrt("debug", name, DEBUG, "--copy-to", copy, "-c", "guest", "--", "sh", "-c", FOREVER)
    made = daemon.running(copy)
    assert [c["name"] for c in made["spec"]["containers"]] == ["app", "guest"]
    assert "labels" not in made["metadata"]
    assert "sleep 1000000" in daemon.exec(copy, "ps", query="&container=guest")[1]  # processes are shared
    assert "ephemeralContainers" not in daemon.get(name)["spec"]


def test_a_copy_with_another_command_and_in_place_of_the_pod(daemon, name, pod):
    daemon.apply(pod())
    daemon.running(name)
    copy = f"{name}-copy"
    daemon.pyrt("debug", name, "--copy-to", copy, "--replace", "-c", "app", "--", "sh", "-c", "echo copied")
    daemon.phase(copy, "Succeeded")
    assert daemon.logs(copy) == "copied\n"
    daemon.gone(name)


def test_a_visit_to_the_machine(daemon):
    node = json.loads(daemon.pyrt("get", "nodes", "-o", "json").out)["items"][0]["metadata"]["name"]
    # What a container says before somebody attaches is in its log only: it waits for a line.
    said = daemon.pyrt("debug", f"node/{node}", DEBUG, "-i", "--", "sh", "-c", "read line; ls /host; ps", stdin="go\n")
    debugger = said.out.split()[3]
    assert debugger.startswith(f"node-debugger-{node}-")
    assert {"etc", "proc", "usr", "var"} <= set(said.out.split())
    daemon.phase(debugger, "Succeeded")
    spec = daemon.get(debugger)["spec"]
    assert (spec["hostPID"], spec["hostNetwork"], spec["hostIPC"]) == (True, True, True)
