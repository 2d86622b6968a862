"""Other resources for a pod that runs: ``pyrt patch --subresource resize``."""

from __future__ import annotations

import json

import pytest

from tests.integration.daemon.conftest import cgroups

from .conftest import container


def limits(cpu="200m", memory="64Mi"):
    return {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": cpu, "memory": memory}}


def to(cpu="200m", memory="64Mi"):
    """A patch of the first container's limits."""
    resources = {"limits": {"cpu": cpu, "memory": memory}}
    return json.dumps({"spec": {"containers": [{"name": "app", "resources": resources}]}})


def in_force(daemon, pod, container_id=""):
    """(cpu quota in microseconds for 100 ms, memory limit in bytes) of the pod's cgroup, or of a container's in it."""
    uid = pod["metadata"]["uid"]
    read = {}
    for top in cgroups(daemon.config.cgroup.parent):
        for base in (top, top / "burstable", top / "besteffort"):
            directory = base / f"pod{uid}" / container_id
            for name in ("cpu.cfs_quota_us", "memory.limit_in_bytes", "cpu.max", "memory.max"):
                if (directory / name).exists():
                    read[name] = (directory / name).read_text().split()[0]
    quota = read.get("cpu.cfs_quota_us") or read["cpu.max"]
    return int(quota), int(read.get("memory.limit_in_bytes") or read["memory.max"])


def instance_id(pod, name="app"):
    return container(pod, name)["containerID"].partition("://")[2]


def resized(daemon, name, cpu, memory, container_name="app"):
    """Wait until the status says so."""

    def arrived(pod):
        types = [c["type"] for c in pod["status"]["conditions"]]
        given = container(pod, container_name).get("resources", {}).get("limits", {})
        return given == {"cpu": cpu, "memory": memory} and not {"PodResizePending", "PodResizeInProgress"} & set(types)

    return daemon.wait_for(name, arrived)


@pytest.mark.core
def test_more_and_less_without_a_restart(daemon, name, pod):
    daemon.apply(pod(container={"resources": limits()}))
    before = daemon.running(name)
    assert in_force(daemon, before, instance_id(before)) == (20000, 64 << 20)
    for cpu, memory, quota, size in (("400m", "128Mi", 40000, 128 << 20), ("150m", "48Mi", 15000, 48 << 20)):
        said = daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", to(cpu, memory))
        assert said.out == f"pod/{name} patched\n"
        after = resized(daemon, name, cpu, memory)
        assert in_force(daemon, after, instance_id(after)) == in_force(daemon, after) == (quota, size)
    assert instance_id(after) == instance_id(before)
    assert container(after, "app")["restartCount"] == 0
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"] == 3
    assert daemon.told(name, "ResizeStarted")["message"].startswith('Pod resize started: {"containers":[{"name":"app",')
    assert daemon.told(name, "ResizeCompleted", '"generation":3')


def test_a_container_that_asks_for_a_restart_gets_one_alone(daemon, name, pod, shell):
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    app = {"resources": limits(), "resizePolicy": policy}
    manifest = pod(container=app, restartPolicy="OnFailure")
    manifest["spec"]["containers"].append(shell("other", resources=limits()))
    daemon.apply(manifest)
    before = daemon.running(name)
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", to(cpu="300m"))
    after = resized(daemon, name, "300m", "64Mi")
    assert container(after, "app")["restartCount"] == 0
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", to(cpu="300m", memory="96Mi"))
    daemon.restarted(name, "app", 1)
    after = resized(daemon, name, "300m", "96Mi")
    assert in_force(daemon, after, instance_id(after)) == (30000, 96 << 20)
    assert in_force(daemon, after) == (50000, 160 << 20)
    assert instance_id(after, "other") == instance_id(before, "other")
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert daemon.told(name, "Killing")["message"] == "Container app resize requires restart"


def test_a_sidecar_is_resized_too(daemon, name, pod, shell):
    sidecar = shell("helper", restartPolicy="Always", resources=limits())
    daemon.apply(pod(container={"resources": limits()}, initContainers=[sidecar]))
    daemon.running(name)
    patch = {"spec": {"initContainers": [{"name": "helper", "resources": {"limits": {"memory": "80Mi"}}}]}}
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(patch))
    after = resized(daemon, name, "200m", "80Mi", "helper")
    assert in_force(daemon, after, instance_id(after, "helper")) == (20000, 80 << 20)
    assert in_force(daemon, after) == (40000, 144 << 20)


def test_memory_in_use_is_not_taken_away(daemon, name, pod):
    script = "dd if=/dev/zero of=/memory/x bs=1M count=40 2>/dev/null; touch /memory/done; " + "sleep 1000 & wait"
    mounts = {"volumeMounts": [{"name": "memory", "mountPath": "/memory"}], "resources": limits()}
    daemon.apply(pod(script, container=mounts, volumes=[{"name": "memory", "emptyDir": {"medium": "Memory"}}]))
    daemon.running(name)
    daemon.until(lambda: daemon.exec(name, "ls", "/memory/done")[0] == 0)
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", to(memory="33Mi"))
    condition = daemon.condition(name, "PodResizeInProgress", "True")
    assert condition["reason"] == "Error"
    assert "cannot decrease memory limits" in condition["message"]
    assert "below current usage" in condition["message"]
    now = daemon.get(name)
    assert container(now, "app")["resources"]["limits"]["memory"] == "64Mi"
    assert in_force(daemon, now, instance_id(now))[1] == 64 << 20
    assert daemon.told(name, "ResizeError")
    daemon.exec(name, "rm", "/memory/x")
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", to(memory="34Mi"))
    resized(daemon, name, "200m", "34Mi")


def test_what_the_node_never_has_is_infeasible(daemon, name, pod):
    daemon.apply(pod(container={"resources": limits()}))
    daemon.running(name)
    more = {"requests": {"cpu": "1000"}, "limits": {"cpu": "2000"}}
    patch = {"spec": {"containers": [{"name": "app", "resources": more}]}}
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(patch))
    condition = daemon.condition(name, "PodResizePending", "True")
    assert condition["reason"] == "Infeasible"
    assert condition["message"].startswith("Node didn't have enough capacity: cpu, requested: 1000000, capacity: ")
    assert container(daemon.get(name), "app")["allocatedResources"]["cpu"] == "100m"
    assert daemon.told(name, "ResizeInfeasible")
    # Taken back, it is as if nothing had been.
    patch["spec"]["containers"][0]["resources"] = limits()
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(patch))
    resized(daemon, name, "200m", "64Mi")


def test_a_resize_waits_for_room(daemon, name, pod):
    """Two pods that fit only as they are: the second grows when the first has gone."""
    whole = daemon.call("GET", "/api/v1/nodes")["items"][0]["status"]["allocatable"]["cpu"]
    milli = int(whole[:-1]) if whole.endswith("m") else int(whole) * 1000
    first, second = pod(), pod(container={"resources": {"requests": {"cpu": "100m"}}})
    first["metadata"]["name"] = f"{name}-big"
    first["spec"]["containers"][0]["resources"] = {"requests": {"cpu": f"{milli - 200}m"}}
    daemon.apply(first)
    daemon.apply(second)
    daemon.running(name)
    grown = {"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "500m"}}}]}}
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(grown))
    condition = daemon.condition(name, "PodResizePending", "True")
    assert condition["reason"] == "Deferred"
    assert condition["message"] == (
        f"Node didn't have enough resource: cpu, requested: 500, used: {milli - 200}, capacity: {milli}"
    )
    daemon.delete(f"{name}-big", 0)
    daemon.wait_for(name, lambda p: container(p, "app").get("allocatedResources") == {"cpu": "500m"})
    daemon.told(name, "ResizeCompleted")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"limits": {"memory": None}}, "resource limits cannot be removed"),
        ({"limits": {"cpu": "100m", "memory": "32Mi"}}, "Pod QOS Class may not change as a result of resizing"),
        ({"limits": {"ephemeral-storage": "1Gi"}}, "only cpu and memory resources are mutable"),
    ],
)
def test_what_a_resize_may_not_do(daemon, name, pod, change, words):
    daemon.apply(pod(container={"resources": limits()}))
    patch = {"spec": {"containers": [{"name": "app", "resources": change}]}}
    said = daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(patch), check=False)
    assert said.code == 1
    assert words in said.err


def test_without_the_subresource_resources_do_not_change(daemon, name, pod):
    daemon.apply(pod(container={"resources": limits()}))
    said = daemon.pyrt("patch", "pod", name, "-p", to("400m"), check=False)
    assert said.code == 1
    assert "pod updates may not change fields other than" in said.err


def test_a_new_daemon_goes_on_with_a_resize(own_daemon, name, pod):
    script = "dd if=/dev/zero of=/memory/x bs=1M count=40 2>/dev/null; touch /memory/done; sleep 1000 & wait"
    mounts = {"volumeMounts": [{"name": "memory", "mountPath": "/memory"}], "resources": limits()}
    daemon = own_daemon
    daemon.apply(pod(script, container=mounts, volumes=[{"name": "memory", "emptyDir": {"medium": "Memory"}}]))
    daemon.running(name)
    daemon.until(lambda: daemon.exec(name, "ls", "/memory/done")[0] == 0)
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", to(memory="33Mi"))
    daemon.condition(name, "PodResizeInProgress", "True")
    daemon.exec(name, "rm", "/memory/x")
    daemon.kill()
    daemon.start()
    after = resized(daemon, name, "200m", "33Mi")
    assert container(after, "app")["restartCount"] == 0
    assert in_force(daemon, after, instance_id(after)) == in_force(daemon, after) == (20000, 33 << 20)


def test_the_pod_itself(daemon, name, pod):
    whole = {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}}
    daemon.apply(pod(resources=whole))
    before = daemon.running(name)
    assert in_force(daemon, before) == (20000, 64 << 20)
    patch = json.dumps({"spec": {"resources": {"limits": {"cpu": "300m", "memory": "96Mi"}}}})
    daemon.pyrt("patch", "pod", name, "--subresource", "resize", "-p", patch)
    after = daemon.wait_for(name, lambda p: p["status"]["resources"]["limits"] == {"cpu": "300m", "memory": "96Mi"})
    assert in_force(daemon, after) == (30000, 96 << 20)
    assert after["status"]["allocatedResources"] == whole["requests"]
    assert container(after, "app")["restartCount"] == 0
