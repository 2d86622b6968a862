"""Pods that must go: the node is short of something, or the pod uses more disk than it may.

The machine is never filled: thresholds lie so high that its real figures are below them.
"""

from __future__ import annotations

import contextlib

import msgspec
import pytest

from pyrt.config.eviction import Eviction

from .conftest import running

OFF = {
    "memory.available": "0%",
    "nodefs.available": "0%",
    "nodefs.inodesFree": "0%",
    "imagefs.available": "0%",
    "imagefs.inodesFree": "0%",
    "pid.available": "0%",
}


@contextlib.contextmanager
def watched(layout, hard=None, **settings):
    """A daemon that looks every second and is short of what ``hard`` says."""
    eviction = Eviction(hard=OFF | (hard or {}), interval_seconds=1, **settings)
    with running(layout, "evict", lambda config: msgspec.structs.replace(config, eviction=eviction)) as daemon:
        yield daemon


def reconfigure(daemon, hard):
    """Stop the daemon and start it with other thresholds."""
    from pyrt.config import dump_config

    daemon.stop()
    eviction = msgspec.structs.replace(daemon.config.eviction, hard=OFF | hard)
    daemon.config = msgspec.structs.replace(daemon.config, eviction=eviction)
    daemon.file.write_text(dump_config(daemon.config))
    daemon.start()


def node_condition(daemon, kind):
    node = daemon.call("GET", "/api/v1/nodes")["items"][0]
    return next(c for c in node["status"]["conditions"] if c["type"] == kind)


@pytest.mark.core
def test_short_of_memory(layout, name, pod, shell):
    """The pod beyond its request goes, then nobody new without a request comes; who asked for enough stays."""
    with watched(layout) as daemon:
        modest = pod(container={"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}})
        greedy = pod(FOREVER_AND_8_MIB, terminationGracePeriodSeconds=30)
        modest["metadata"]["name"], greedy["metadata"]["name"] = f"{name}-modest", f"{name}-greedy"
        daemon.apply(modest)
        daemon.apply(greedy)
        daemon.running(f"{name}-modest")
        daemon.running(f"{name}-greedy")
        reconfigure(daemon, {"memory.available": "99.9%"})
        gone = daemon.phase(f"{name}-greedy", "Failed")
        status = gone["status"]
        assert status["reason"] == "Evicted"
        assert status["message"].startswith("The node was low on resource: memory. Threshold quantity: ")
        assert "Container app was using " in status["message"]
        assert status["message"].endswith(", request is 0, has larger consumption of memory. ")
        target = daemon.condition(f"{name}-greedy", "DisruptionTarget", "True")
        assert (target["reason"], target["message"]) == ("TerminationByKubelet", status["message"])
        assert daemon.told(f"{name}-greedy", "Evicted")["type"] == "Warning"
        daemon.until(lambda: node_condition(daemon, "MemoryPressure")["status"] == "True")
        assert node_condition(daemon, "MemoryPressure")["reason"] == "KubeletHasInsufficientMemory"
        late = pod()
        daemon.apply(late)
        refused = daemon.phase(name, "Failed")["status"]
        assert refused["reason"] == "Evicted"
        assert refused["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
        assert "containerStatuses" not in refused


FOREVER_AND_8_MIB = "x=$(head -c 8000000 /dev/zero | tr '\\0' x); trap 'exit 0' TERM; while :; do sleep 0.1; done"


def test_one_pod_a_round_and_in_order(layout, name, pod):
    with watched(layout) as daemon:
        for number, priority in enumerate((1000, 0)):
            one = pod()
            one["metadata"]["name"] = f"{name}-{number}"
            one["spec"]["priority"] = priority
            daemon.apply(one)
            daemon.running(f"{name}-{number}")
        reconfigure(daemon, {"pid.available": "100%"})
        first = daemon.phase(f"{name}-1", "Failed")
        second = daemon.phase(f"{name}-0", "Failed")
        assert first["status"]["message"].startswith("The node was low on resource: pids. Threshold quantity: ")

        def at(pod):
            return next(c for c in pod["status"]["conditions"] if c["type"] == "DisruptionTarget")["lastTransitionTime"]

        assert at(first) <= at(second)
        events = daemon.call("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind=Node")["items"]
        told = {e["reason"]: e["message"] for e in events}
        assert told["EvictionThresholdMet"] == "Attempting to reclaim pids"
        assert told["NodeHasInsufficientPID"].endswith("status is now: NodeHasInsufficientPID")


def test_disk_pressure_refuses_everyone_but_the_critical(layout, name, pod):
    with watched(layout) as daemon:
        reconfigure(daemon, {"nodefs.available": "100%"})
        daemon.until(lambda: node_condition(daemon, "DiskPressure")["status"] == "True")
        daemon.apply(pod(container={"resources": {"requests": {"cpu": "10m"}}}))
        status = daemon.phase(name, "Failed")["status"]
        assert status["message"] == "Pod was rejected: The node had condition: [DiskPressure]. "
        critical = pod()
        critical["metadata"]["name"] = f"{name}-critical"
        critical["spec"]["priority"] = 2_000_000_000
        daemon.apply(critical)
        daemon.running(f"{name}-critical")


def test_a_soft_threshold_is_endured(layout, name, pod):
    soft = {"soft": {"memory.available": "99.9%"}, "soft_grace_seconds": {"memory.available": 3600}}
    with watched(layout, **soft) as daemon:
        daemon.until(lambda: node_condition(daemon, "MemoryPressure")["status"] == "True")
        daemon.apply(pod(container={"resources": {"requests": {"memory": "1Mi"}}}))
        daemon.running(name)


@pytest.fixture(scope="module")
def limited(layout):
    """A daemon that looks for pods beyond their limits only."""
    with watched(layout) as daemon:
        yield daemon


WRITES = "dd if=/dev/zero of={}/big bs=1M count=3 2>/dev/null; trap 'exit 0' TERM; while :; do sleep 0.1; done"


def test_an_empty_dir_beyond_its_limit(limited, name, pod):
    mounts = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    volumes = [{"name": "cache", "emptyDir": {"sizeLimit": "2Mi"}}]
    limited.apply(pod(WRITES.format("/cache"), container=mounts, volumes=volumes))
    status = limited.phase(name, "Failed")["status"]
    assert status["reason"] == "Evicted"
    assert status["message"] == 'Usage of EmptyDir volume "cache" exceeds the limit "2Mi". '
    assert "DisruptionTarget" not in [c["type"] for c in status["conditions"]]
    limited.state(name, "app", "terminated")


def test_a_container_beyond_its_ephemeral_storage(limited, name, pod, shell):
    app = {"resources": {"limits": {"ephemeral-storage": "2Mi"}}}
    manifest = pod(WRITES.format("/tmp"), container=app)
    manifest["spec"]["containers"].append(shell("other", resources={"limits": {"ephemeral-storage": "1Gi"}}))
    limited.apply(manifest)
    status = limited.phase(name, "Failed")["status"]
    assert status["message"] == 'Container app exceeded its local ephemeral storage limit "2Mi". '


def test_a_pod_beyond_what_its_containers_may_together(limited, name, pod):
    mounts = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    app = mounts | {"resources": {"limits": {"ephemeral-storage": "2Mi"}}}
    limited.apply(pod(WRITES.format("/cache"), container=app, volumes=[{"name": "cache", "emptyDir": {}}]))
    status = limited.phase(name, "Failed")["status"]
    assert status["message"] == "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "


def test_who_keeps_within_limits_stays(limited, name, pod):
    mounts = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    app = mounts | {"resources": {"limits": {"ephemeral-storage": "64Mi"}}}
    volumes = [{"name": "cache", "emptyDir": {"sizeLimit": "16Mi"}}]
    limited.apply(pod(WRITES.format("/cache"), container=app, volumes=volumes))
    other = pod(WRITES.format("/tmp"), container={"resources": {"limits": {"ephemeral-storage": "1Mi"}}})
    other["metadata"]["name"] = f"{name}-other"
    limited.running(name)
    limited.apply(other)
    limited.phase(f"{name}-other", "Failed")  # a look has been taken
    assert limited.get(name)["status"]["phase"] == "Running"
