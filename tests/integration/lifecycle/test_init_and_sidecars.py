"""Init containers and sidecars: their order on the way up and down, their restarts, and pods that end beside them."""

from __future__ import annotations

import pytest

from .conftest import FOREVER, container

SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.core
def test_init_containers_run_one_after_the_other(daemon, name, pod, shell):
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    inits = [
        shell("first", "sleep 0.3; echo first >>/data/order", **mounts),
        shell("second", "echo second >>/data/order", **mounts),
    ]
    volumes = [{"name": "data", "emptyDir": {}}]
    daemon.apply(pod("cat /data/order", container=mounts, initContainers=inits, volumes=volumes))
    status = daemon.phase(name, "Succeeded")["status"]
    assert daemon.pyrt("logs", name).out == "first\nsecond\n"
    assert [s["name"] for s in status["initContainerStatuses"]] == ["first", "second"]
    ends = [(s["ready"], s["state"]["terminated"]["reason"]) for s in status["initContainerStatuses"]]
    assert ends == [(True, "Completed")] * 2


def test_nothing_starts_while_an_init_container_runs(daemon, name, pod, shell):
    daemon.apply(pod(FOREVER, initContainers=[shell("first"), shell("second", "true")]))
    daemon.state(name, "first", "running")
    status = daemon.get(name)["status"]
    assert status["phase"] == "Pending"
    for waiting in ("second", "app"):
        assert container({"status": status}, waiting)["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert daemon.condition(name, "Initialized", "False")["message"] == (
        "containers with incomplete status: [first second]"
    )
    assert daemon.row(name)[1:3] == ["0/1", "Init:0/2"]


def test_a_failed_init_container_ends_a_pod_that_never_restarts(daemon, name, pod, shell):
    daemon.apply(pod("echo no", initContainers=[shell("first", "exit 3"), shell("second", "true")]))
    status = daemon.phase(name, "Failed")["status"]
    assert container({"status": status}, "first")["state"]["terminated"]["exitCode"] == 3
    assert container({"status": status}, "app")["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert daemon.row(name)[1:4] == ["0/1", "Init:Error", "0"]


def test_a_failed_init_container_is_tried_again_under_back_off(daemon, name, pod, shell):
    daemon.apply(pod("echo no", initContainers=[shell("first", "exit 3")], restartPolicy="OnFailure"))
    status = daemon.state(name, "first", "waiting", "CrashLoopBackOff")
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 3
    meta = daemon.get(name)["metadata"]
    where = f"pod={name}_default({meta['uid']})"
    assert status["state"]["waiting"]["message"] == f"back-off 10s restarting failed container=first {where}"
    assert daemon.row(name)[1:4] == ["0/1", "Init:CrashLoopBackOff", "1"]
    assert daemon.get(name)["status"]["phase"] == "Pending"


@pytest.mark.core
def test_sidecars_come_first_and_leave_last_in_reverse_order(daemon, name, pod, shell):
    """Each writes down when it begins and when it is told to end."""
    directory = daemon.file.parent / name
    directory.mkdir()
    mounts = {"volumeMounts": [{"name": "journal", "mountPath": "/journal"}]}

    def script(who):
        said = f"echo {who} ends >>/journal/all; exit 0"
        return f"echo {who} >>/journal/all; trap '{said}' TERM; while :; do sleep 0.05; done"

    inits = [
        shell("one", script("one"), **SIDECAR, **mounts),
        shell("init", "echo init >>/journal/all", **mounts),
        shell("two", script("two"), **SIDECAR, **mounts),
    ]
    volumes = [{"name": "journal", "hostPath": {"path": str(directory)}}]
    daemon.apply(pod(script("app"), container=mounts, initContainers=inits, volumes=volumes))
    daemon.wait(f"pod/{name}", "condition=Ready")
    daemon.until(lambda: "app" in (directory / "all").read_text())
    assert daemon.row(name)[1:3] == ["3/3", "Running"]
    daemon.pyrt("delete", "pod", name)
    lines = (directory / "all").read_text().splitlines()
    # Which of the two is the first to write is the kernel's choice: a container that has started is no further along.
    assert sorted(lines[:4]) == ["app", "init", "one", "two"]
    assert lines.index("init") < lines.index("app")
    assert lines[4:] == ["app ends", "two ends", "one ends"]


def test_a_job_ends_beside_its_sidecar(daemon, name, pod, shell):
    daemon.apply(pod("exit 0", initContainers=[shell("proxy", FOREVER, **SIDECAR)]))
    status = daemon.phase(name, "Succeeded", "Failed")["status"]
    assert status["phase"] == "Succeeded"
    proxy = container({"status": status}, "proxy")
    assert "terminated" in proxy["state"]
    assert proxy["restartCount"] == 0
    assert daemon.row(name)[1:3] == ["0/2", "Completed"]


def test_the_exit_code_of_a_sidecar_does_not_matter(daemon, name, pod, shell):
    ends_badly = "trap 'exit 9' TERM; while :; do sleep 0.05; done"
    daemon.apply(pod("exit 0", initContainers=[shell("proxy", ends_badly, **SIDECAR)]))
    status = daemon.phase(name, "Succeeded", "Failed")["status"]
    assert status["phase"] == "Succeeded"
    assert container({"status": status}, "proxy")["state"]["terminated"]["exitCode"] == 9


def test_a_sidecar_that_ends_is_started_again_beside_the_others(daemon, name, pod, shell):
    once = "[ -e /data/again ] && { " + FOREVER + "; }; touch /data/again; exit 1"
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    sidecar = shell("proxy", once, **SIDECAR, **mounts)
    daemon.apply(pod(FOREVER, initContainers=[sidecar], volumes=[{"name": "data", "emptyDir": {}}]))
    proxy = daemon.restarted(name, "proxy", 1)
    assert proxy["lastState"]["terminated"]["exitCode"] == 1
    daemon.wait(f"pod/{name}", "condition=Ready")
    app = container(daemon.get(name), "app")
    assert app["restartCount"] == 0
    assert daemon.row(name)[1:4] == ["2/2", "Running", "1"]
