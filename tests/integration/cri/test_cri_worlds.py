"""The operator's pods and a kubelet's share the machine and never see each other."""

from __future__ import annotations

import shutil
import subprocess
import sys

import grpc

from pyrt.cri import runtime_pb2 as cri
from tests.integration.cri.conftest import FOREVER, PATIENCE, make_pod


def operators_containers(node, name):
    """Ids of the containers of an API pod."""
    statuses = node.running(name)["status"]["containerStatuses"]
    return [status["containerID"].partition("://")[2] for status in statuses]


def test_lists_do_not_meet(node, client):
    node.create(make_pod("operators", *FOREVER))
    (theirs,) = operators_containers(node, "operators")
    pod = node.pod("kubelets")
    ours = pod.start()
    assert [item.id for item in client.ListPodSandbox().items] == [pod.id]
    assert [item.id for item in client.ListContainers().containers] == [ours]
    assert [item["metadata"]["name"] for item in node.call("GET", "/api/v1/pods")["items"]] == ["operators"]
    assert client.refused("ContainerStatus", container_id=theirs)[0] is grpc.StatusCode.NOT_FOUND


def test_ids_of_the_other_world_do_nothing(node, client):
    node.create(make_pod("operators", *FOREVER))
    (theirs,) = operators_containers(node, "operators")
    (sandbox,) = [path.name for path in (node.config.paths.run / "pods").iterdir()]
    for method in ("StopPodSandbox", "RemovePodSandbox"):
        getattr(client, method)(pod_sandbox_id=sandbox)
    for method in ("StopContainer", "RemoveContainer"):
        getattr(client, method)(container_id=theirs)
    for method in ("StartContainer", "UpdateContainerResources"):
        assert client.refused(method, container_id=theirs)[0] is grpc.StatusCode.NOT_FOUND
    config = cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="intruder"), image=cri.ImageSpec(image="busybox:1.36"), command=["true"]
    )
    code, _ = client.refused("CreateContainer", pod_sandbox_id=sandbox, config=config)
    assert code is grpc.StatusCode.NOT_FOUND
    assert operators_containers(node, "operators") == [theirs]
    assert node.get("operators")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_the_same_name_uid_and_attempt_in_both(node, client):
    made = node.create(make_pod("twin", *FOREVER))
    node.running("twin")
    config = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name="twin", namespace="default", uid=made["metadata"]["uid"], attempt=0),
        hostname="twin",
        log_directory=str(node.config.paths.logs / "cri_twin"),
        labels={"pyrt.dev/source": "api"},
    )
    sandbox = client.RunPodSandbox(config=config).pod_sandbox_id
    status = client.PodSandboxStatus(pod_sandbox_id=sandbox).status
    assert status.network.ip != node.get("twin")["status"]["podIP"]

    node.kill()  # the next daemon keeps them apart as well
    node.start()
    client = node.client
    assert client.PodSandboxStatus(pod_sandbox_id=sandbox).status == status
    node.running("twin")
    node.delete("twin", 0)
    node.gone("twin")
    assert client.PodSandboxStatus(pod_sandbox_id=sandbox).status == status


def test_a_kubelets_pod_outlives_the_operators_of_the_same_uid_and_the_other_way_round(node, client):
    made = node.create(make_pod("twin", *FOREVER))
    (theirs,) = operators_containers(node, "twin")
    config = node.config_of("other")
    config.metadata.uid = made["metadata"]["uid"]
    sandbox = client.RunPodSandbox(config=config).pod_sandbox_id
    client.RemovePodSandbox(pod_sandbox_id=sandbox)
    assert operators_containers(node, "twin") == [theirs]


def test_events_are_of_ones_own_world(node, client):
    stream = client.GetContainerEvents()
    stream.initial_metadata()
    node.create(make_pod("operators", *FOREVER))
    node.running("operators")
    pod = node.pod()
    assert next(stream).container_id == pod.id
    stream.cancel()


def test_what_the_operator_counts(node):
    before = node.call("GET", "/apis/pyrt.dev/v1/system/info")["containers"]
    pod = node.pod()
    pod.start()
    assert node.call("GET", "/apis/pyrt.dev/v1/system/info")["containers"] == before


def test_a_reset_leaves_nothing_of_either(own_node):
    own_node.create(make_pod("operators", *FOREVER))
    own_node.running("operators")
    own_node.pod().start()
    command = [sys.executable, "-m", "pyrt.cli", "--config", str(own_node.file), "system", "reset", "--yes"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert "removed 1 pod of a kubelet's" in said.stdout
    own_node.process.wait(PATIENCE)
    assert own_node.pod_processes() == []
    shutil.rmtree(own_node.config.paths.logs)  # of the kubelet's pod: the kubelet's
    assert own_node.leftovers() == []
