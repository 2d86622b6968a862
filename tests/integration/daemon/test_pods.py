"""A pod's life, as its user sees it: from a manifest to processes, and back to nothing."""

import json
from pathlib import Path

import pytest

FOREVER = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


def container_id(pod, index=0):
    return pod["status"]["containerStatuses"][index]["containerID"].partition("://")[2]


def terminated(pod, index=0):
    return pod["status"]["containerStatuses"][index]["state"]["terminated"]


@pytest.mark.core
@pytest.mark.parametrize(("code", "phase", "reason"), [(0, "Succeeded", "Completed"), (3, "Failed", "Error")])
def test_a_pod_that_ends(daemon, pod, code, phase, reason):
    daemon.create(pod("web", f"exit {code}"))
    state = terminated(daemon.phase("web", "Succeeded", "Failed"))
    assert daemon.get("web")["status"]["phase"] == phase
    assert (state["exitCode"], state["reason"]) == (code, reason)


def test_addresses_and_ready(daemon, pod):
    daemon.create(pod("web", FOREVER))
    status = daemon.running("web")["status"]
    assert len(status["podIPs"]) == 2
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
    code, out, _ = daemon.exec("web", "ip", "-o", "addr", "show", "dev", "eth0")
    assert code == 0
    for address in status["podIPs"]:
        assert address["ip"] in out


def test_the_hostname_and_hosts(daemon, pod):
    daemon.create(pod("web", FOREVER, hostAliases=[{"ip": "10.9.8.7", "hostnames": ["db", "store"]}]))
    ip = daemon.running("web")["status"]["podIP"]
    assert daemon.exec("web", "hostname")[1] == "web\n"
    hosts = daemon.exec("web", "cat", "/etc/hosts")[1]
    assert hosts.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert f"{ip}\tweb\n" in hosts
    assert hosts.endswith("\n# Entries added by HostAliases.\n10.9.8.7\tdb\tstore\n")


def test_environment(daemon, pod):
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)2 $$(A) $(NONE)"},
    ]
    daemon.create(pod("web", "sh", "-c", 'echo "$B" "$0"', "$(A)", container={"env": env}))
    daemon.phase("web", "Succeeded")
    assert daemon.logs("web") == "12 $(A) $(NONE) 1\n"


def test_containers_share_localhost_and_volumes(daemon, pod):
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "memory", "mountPath": "/memory"}]
    manifest = pod("web", FOREVER, container={"volumeMounts": mounts})
    manifest["spec"]["volumes"] = [
        {"name": "data", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    other = json.loads(json.dumps(manifest["spec"]["containers"][0])) | {"name": "other"}
    manifest["spec"]["containers"].append(other)
    daemon.create(manifest)
    daemon.running("web")
    for directory in ("/data", "/memory"):
        assert daemon.exec("web", "sh", "-c", f"echo hello > {directory}/x", query="&container=app")[0] == 0
        assert daemon.exec("web", "cat", f"{directory}/x", query="&container=other")[1] == "hello\n"
    assert (
        daemon.exec("web", "dd", "if=/dev/zero", "of=/memory/big", "bs=1M", "count=2", query="&container=app")[0] != 0
    )


def test_init_containers_go_first(daemon, pod):
    mount = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    manifest = pod("web", "cat /d/order", container=mount)
    manifest["spec"]["volumes"] = [{"name": "d", "emptyDir": {}}]
    manifest["spec"]["initContainers"] = [
        {"name": f"i{n}", "image": "busybox:1.36", "command": ["sh", "-c", f"echo {n} >> /d/order"], **mount}
        for n in (1, 2)
    ]
    daemon.create(manifest)
    daemon.phase("web", "Succeeded")
    assert daemon.logs("web", "?container=app") == "1\n2\n"


def test_a_failing_container_is_restarted_and_backs_off(daemon, pod):
    daemon.create(pod("web", "echo try; exit 1", restartPolicy="OnFailure"))

    def look():
        statuses = daemon.get("web")["status"].get("containerStatuses", [])
        status = statuses[0] if statuses else {"state": {}}
        waiting = status["state"].get("waiting", {})
        return status if waiting.get("reason") == "CrashLoopBackOff" else None

    status = daemon.until(look)
    assert status["restartCount"] >= 1
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert daemon.logs("web") == "try\n"
    assert daemon.logs("web", "?previous=true") == "try\n"
    assert "Back-off" in daemon.event("web", "BackOff")


def test_the_termination_message(daemon, pod):
    daemon.create(pod("web", "echo because > /dev/termination-log; exit 1"))
    assert terminated(daemon.phase("web", "Failed"))["message"] == "because\n"


def test_the_end_of_the_log_as_termination_message(daemon, pod):
    container = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    daemon.create(pod("web", "echo last words; exit 1", container=container))
    assert terminated(daemon.phase("web", "Failed"))["message"] == "last words\n"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [(["/no/such/program"], 127, "/no/such/program"), (["/etc/passwd"], 126, "/etc/passwd")],
)
def test_a_command_that_cannot_run(daemon, pod, command, code, words):
    daemon.create(pod("web", *command, "argument"))
    state = terminated(daemon.phase("web", "Failed"))
    assert state["exitCode"] == code
    assert words in state["message"]
    assert words in daemon.event("web", "Failed")


def test_an_image_that_is_not_there(daemon, pod):
    daemon.create(pod("web", "true", container={"image": "busybox:none", "imagePullPolicy": "Never"}))

    def look():
        statuses = daemon.get("web")["status"].get("containerStatuses", [])
        waiting = statuses[0]["state"].get("waiting", {}) if statuses else {}
        return waiting if waiting.get("reason") == "ErrImageNeverPull" else None

    assert "busybox:none" in daemon.until(look)["message"]


def test_a_host_path_that_is_not_there(daemon, pod):
    mounts = {"volumeMounts": [{"name": "h", "mountPath": "/h"}]}
    volumes = [{"name": "h", "hostPath": {"path": "/no/such/directory", "type": "Directory"}}]
    daemon.create(pod("web", "true", container=mounts, volumes=volumes))
    assert "/no/such/directory is not a directory" in daemon.event("web", "FailedMount")
    assert daemon.get("web")["status"]["phase"] == "Pending"


def test_the_deadline(daemon, pod):
    daemon.create(pod("web", FOREVER, activeDeadlineSeconds=1))
    status = daemon.phase("web", "Failed")["status"]
    assert status["reason"] == "DeadlineExceeded"


@pytest.mark.core
def test_a_deletion_gives_grace(daemon, pod):
    mounts = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    directory = daemon.config.paths.root.parent
    script = "trap 'echo bye > /d/bye; exit 0' TERM; touch /d/up; while true; do sleep 0.1; done"
    manifest = pod("web", script, container=mounts)
    manifest["spec"]["volumes"] = [{"name": "d", "hostPath": {"path": str(directory)}}]
    daemon.create(manifest)
    daemon.until((directory / "up").exists)
    daemon.delete("web")
    daemon.gone("web")
    assert (directory / "bye").read_text() == "bye\n"
    (directory / "bye").unlink()


def test_a_deletion_kills_who_does_not_listen(daemon, pod):
    daemon.create(pod("web", "trap '' TERM; while true; do sleep 0.1; done"))
    daemon.running("web")
    daemon.delete("web", 1)
    daemon.gone("web")
    daemon.until(lambda: not daemon.pod_processes())


@pytest.mark.core
def test_force_answers_at_once_and_leaves_nothing(daemon, pod):
    daemon.create(pod("web", "trap '' TERM; while true; do sleep 0.1; done", terminationGracePeriodSeconds=3600))
    daemon.running("web")
    daemon.delete("web", 0)
    assert daemon.get("web") is None
    daemon.until(lambda: not daemon.leftovers())


def test_the_name_can_be_used_again_at_once(daemon, pod):
    for _ in range(3):
        daemon.create(pod("web", FOREVER))
        daemon.running("web")
        daemon.delete("web")
        daemon.gone("web")


def test_many_at_once(daemon, pod):
    names = [f"p{number}" for number in range(20)]
    for name in names:
        daemon.create(pod(name, "true"))
    for name in names:
        daemon.phase(name, "Succeeded")


@pytest.mark.core
def test_shared_processes(daemon, pod):
    daemon.create(pod("web", FOREVER, shareProcessNamespace=True))
    daemon.running("web")
    processes = daemon.exec("web", "ps", "-o", "pid,args")[1]
    assert "sleep 0.1" in processes
    assert daemon.exec("web", "sh", "-c", "cat /proc/1/comm")[1] != "sh\n"


@pytest.mark.core
def test_limits_are_in_the_cgroup(daemon, pod):
    resources = {"resources": {"limits": {"memory": "64Mi", "cpu": "500m"}}}
    uid = daemon.create(pod("web", FOREVER, container=resources))["metadata"]["uid"]
    daemon.running("web")
    assert daemon.get("web")["status"]["qosClass"] == "Guaranteed"
    # cgroup v1 and v2 have other names for the same figure.
    below = f"{daemon.config.cgroup.parent}/pod{uid}/{container_id(daemon.get('web'))}"
    figures = {
        path.read_text().strip()
        for pattern in (f"memory/{below}/memory.limit_in_bytes", f"{below}/memory.max")
        for path in Path("/sys/fs/cgroup").glob(pattern)
    }
    assert figures == {str(64 << 20)}


@pytest.mark.core
def test_metrics(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    found = daemon.call("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web")
    assert found["containers"][0]["name"] == "app"
    assert found["containers"][0]["usage"]["memory"].endswith("Ki")


@pytest.mark.parametrize("grace", [0, 1])
def test_a_pod_that_is_deleted_while_it_is_made(daemon, pod, grace):
    for number in range(5):
        daemon.create(pod(f"p{number}", FOREVER))
        daemon.delete(f"p{number}", grace)
    for number in range(5):
        daemon.gone(f"p{number}")
    daemon.until(lambda: not daemon.leftovers() and not daemon.pod_processes())
