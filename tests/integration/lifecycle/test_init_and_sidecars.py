"""Init containers and sidecars: their order on the way up and down, their restarts, and pods that end beside them."""

from __future__ import annotations

import pytest

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
    assert all(
        s["ready"] and s["state"]["terminated"]["reason"] == "Completed" for s in status["initContainerStatuses"]
    )
