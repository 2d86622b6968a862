"""Requests and limits: what cgroups get, who is not taken, who is killed; and the node's view of it."""

from __future__ import annotations

import re

import msgspec
import pytest

from pyrt.config import dump_config
from tests.integration.daemon.conftest import cgroups

from .conftest import FOREVER, container, running


def cgroup_files(daemon, pod, container_id=""):
    """Every file of the pod's cgroup, or of a container's in it, by name; whichever generation the machine has."""
    uid, found = pod["metadata"]["uid"], {}
    for top in cgroups(daemon.config.cgroup.parent):
        for base in (top, top / "burstable", top / "besteffort"):
            directory = base / f"pod{uid}" / container_id
            for name in (
                "cpu.shares",
                "cpu.cfs_quota_us",
                "memory.limit_in_bytes",
                "cpu.weight",
                "cpu.max",
                "memory.max",
            ):
                if (directory / name).exists():
                    found[name] = (directory / name).read_text().split()[0]
    return found


def memory_limit(files):
    return files.get("memory.limit_in_bytes") or files.get("memory.max")


def quota(files):
    return files.get("cpu.cfs_quota_us") or files.get("cpu.max")


@pytest.mark.core
def test_resources_of_the_pod_itself(daemon, name, pod, shell):
    """spec.resources bounds the pod's cgroup and makes its class; its containers share it."""
    manifest = pod(
        container={"resources": {"requests": {"memory": "16Mi"}}},
        resources={"limits": {"cpu": "200m", "memory": "64Mi"}},
    )
    manifest["spec"]["containers"].append(shell("other"))
    daemon.apply(manifest)
    found = daemon.running(name)
    assert found["spec"]["resources"]["requests"] == {"cpu": "200m", "memory": "16Mi"}
    assert found["status"]["qosClass"] == "Burstable"
    whole = cgroup_files(daemon, found)
    assert (quota(whole), memory_limit(whole)) == ("20000", str(64 << 20))
    code, out, _ = daemon.exec(name, "cat", "/proc/1/oom_score_adj", query="&container=app")
    assert code == 0
    assert 3 <= int(out) <= 999


def test_a_container_beyond_its_memory_is_killed_for_that(daemon, name, pod):
    daemon.apply(pod("exec tail -c 64000000 /dev/zero", container={"resources": {"limits": {"memory": "16Mi"}}}))
    end = daemon.state(name, "app", "terminated")["state"]["terminated"]
    assert (end["reason"], end["exitCode"]) == ("OOMKilled", 137)


def test_killed_by_someone_else_is_no_oom(daemon, name, pod):
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    daemon.apply(pod("sh -c 'kill -9 $PPID'; sleep 9", container=limits, shareProcessNamespace=True))
    end = daemon.state(name, "app", "terminated")["state"]["terminated"]
    assert (end["reason"], end["exitCode"]) == ("Error", 137)


@pytest.mark.parametrize(
    ("requests", "resource", "requested"),
    [({"cpu": "1000"}, "cpu", 1000000), ({"memory": "100Ti"}, "memory", 100 << 40)],
)
def test_a_pod_that_does_not_fit(daemon, name, pod, requests, resource, requested):
    daemon.apply(pod(container={"resources": {"requests": requests}}))
    status = daemon.phase(name, "Failed")["status"]
    assert status["reason"] == f"OutOf{resource}"
    assert re.fullmatch(
        f"Pod was rejected: Node didn't have enough resource: {resource}, "
        rf"requested: {requested}, used: [0-9]+, capacity: [0-9]+",
        status["message"],
    )
    assert "containerStatuses" not in status
    assert daemon.told(name, f"OutOf{resource}")["message"].startswith("Node didn't have enough resource: ")


def test_room_that_is_taken(daemon, name, pod):
    whole = daemon.call("GET", "/api/v1/nodes")["items"][0]["status"]["allocatable"]["cpu"]
    milli = int(whole[:-1]) if whole.endswith("m") else int(whole) * 1000
    half = {"resources": {"requests": {"cpu": f"{milli * 6 // 10}m"}}}
    first, second = pod(container=half), pod(container=half)
    second["metadata"]["name"] = f"{name}-second"
    daemon.apply(first)
    daemon.running(name)
    daemon.apply(second)
    status = daemon.phase(f"{name}-second", "Failed")["status"]
    assert status["message"].endswith(f"used: {milli * 6 // 10}, capacity: {milli}")
    daemon.delete(name, 0)
    daemon.gone(name)
    second["metadata"]["name"] = f"{name}-third"
    daemon.apply(second)
    daemon.running(f"{name}-third")


def test_pages_that_the_machine_does_not_have(daemon, name, pod):
    pages = {"hugepages-2Mi": "1Ti", "memory": "16Mi"}
    daemon.apply(pod(container={"resources": {"limits": pages}}))
    status = daemon.phase(name, "Failed")["status"]
    assert status["reason"] == "OutOfhugepages-2Mi"


def test_the_node_in_words(daemon, name, pod):
    asked = {"resources": {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}}
    daemon.apply(pod(container=asked))
    daemon.running(name)
    out = daemon.pyrt("describe", "node").out
    for words in (
        "  MemoryPressure  False ",
        "KubeletHasSufficientMemory",
        "kubelet has no disk pressure",
        "kubelet has sufficient PID available",
        "kubelet is posting ready status",
        "Non-terminated Pods:",
        "Allocated resources:",
    ):
        assert words in out
    line = next(line for line in out.splitlines() if name in line)
    assert re.search(r" 250m \([0-9]+%\) +0 \(0%\) +32Mi \(0%\) +64Mi \(0%\) ", line)
    assert daemon.pyrt("get", "node", "--no-headers").out.split()[1] == "Ready"


def test_top(daemon, name, pod, shell):
    manifest = pod("while :; do :; done", container={"resources": {"limits": {"cpu": "200m"}}})
    manifest["spec"]["containers"].append(shell("idle", FOREVER))
    daemon.apply(manifest)
    daemon.running(name)
    rows = [row.split() for row in daemon.pyrt("top", "pod", name, "--containers", "--no-headers").out.splitlines()]
    used = {row[1]: (int(row[2].removesuffix("m")), row[3]) for row in rows}
    assert set(used) == {"app", "idle"}
    assert used["app"][0] > used["idle"][0]
    assert all(memory.endswith("Mi") for _, memory in used.values())
    node = daemon.pyrt("top", "node", "--no-headers").out.split()
    assert int(node[1].removesuffix("m")) > 0
    assert container(daemon.get(name), "app")["restartCount"] == 0


def test_unused_images_go_when_their_disk_is_full(layout, name, pod):
    """Full is here what any disk is: more than nothing. An image that a container runs on stays."""
    with running(layout, "images") as daemon:

        def images():
            return [i["id"] for i in daemon.call("GET", "/apis/pyrt.dev/v1/images")["items"]]

        kept = images()
        assert len(kept) == 1
        daemon.apply(pod())
        daemon.running(name)
        daemon.stop()
        collecting = {"gc_high_percent": 0, "gc_low_percent": 0, "gc_min_age_seconds": 0}
        settings = msgspec.structs.replace(daemon.config.images, **collecting)
        daemon.config = msgspec.structs.replace(daemon.config, images=settings)
        daemon.file.write_text(dump_config(daemon.config))
        daemon.start()
        daemon.until(lambda: "only found 0 bytes eligible to free" in daemon.log.read_text())
        assert images() == kept
        daemon.delete(name, 0)
        daemon.gone(name)
        daemon.until(lambda: not daemon.leftovers())
        daemon.stop()
        daemon.start()
        daemon.until(lambda: not images())
