"""The life of a sandbox, as a kubelet sees it."""

from __future__ import annotations

import grpc
import pytest

from pyrt.cri import runtime_pb2 as cri


def test_a_sandbox_is_ready_and_has_an_address(node, client):
    pod = node.pod("web", labels={"app": "web"}, annotations={"note": "of a kubelet"})
    status = pod.status()
    assert (status.id, status.state) == (pod.id, cri.SANDBOX_READY)
    assert status.metadata == pod.config.metadata
    assert dict(status.labels) == {"app": "web"}
    assert dict(status.annotations) == {"note": "of a kubelet"}
    assert status.network.ip
    assert [item.id for item in client.ListPodSandbox().items] == [pod.id]


def test_a_stopped_sandbox_is_not_ready_and_can_be_stopped_again(pod, client):
    app = pod.start()
    for _ in range(2):
        client.StopPodSandbox(pod_sandbox_id=pod.id)
    assert pod.status().state == cri.SANDBOX_NOTREADY
    assert pod.status().network.ip == ""
    assert pod.container(app).state == cri.CONTAINER_EXITED
    assert pod.container(app).exit_code == 137


def test_a_removed_sandbox_takes_its_containers_along(pod, client):
    app = pod.start()
    for _ in range(2):
        client.RemovePodSandbox(pod_sandbox_id=pod.id)
    assert client.refused("PodSandboxStatus", pod_sandbox_id=pod.id)[0] is grpc.StatusCode.NOT_FOUND
    assert client.refused("ContainerStatus", container_id=app)[0] is grpc.StatusCode.NOT_FOUND
    assert list(client.ListContainers().containers) == []


@pytest.mark.parametrize("method", ["StopPodSandbox", "RemovePodSandbox"])
def test_what_is_not_there_has_been_stopped_and_removed(client, method):
    getattr(client, method)(pod_sandbox_id="0" * 64)


def test_the_same_attempt_is_refused_and_the_next_one_is_not(node, client, pod):
    code, details = client.refused("RunPodSandbox", config=pod.config)
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert pod.id in details
    client.StopPodSandbox(pod_sandbox_id=pod.id)
    assert client.refused("RunPodSandbox", config=pod.config)[0] is grpc.StatusCode.ALREADY_EXISTS
    again = node.pod(pod.name, attempt=1)
    assert again.status().metadata.attempt == 1


def test_an_id_may_be_the_beginning_of_one(pod, client):
    assert client.PodSandboxStatus(pod_sandbox_id=pod.id[:12]).status.id == pod.id
    assert client.refused("PodSandboxStatus", pod_sandbox_id="")[0] is grpc.StatusCode.NOT_FOUND


def test_a_foreign_runtime_handler_is_refused(node, client):
    code, details = client.refused("RunPodSandbox", config=node.config_of(), runtime_handler="kata")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "kata" in details
    assert list(client.ListPodSandbox().items) == []


def test_the_runtime_handler_is_remembered(node, client):
    sandbox = client.RunPodSandbox(config=node.config_of(), runtime_handler="pyrt").pod_sandbox_id
    assert client.PodSandboxStatus(pod_sandbox_id=sandbox).status.runtime_handler == "pyrt"
    assert client.ListPodSandbox().items[0].runtime_handler == "pyrt"


def test_namespaces_are_told_as_they_were_asked_for(node):
    options = cri.NamespaceOption(network=cri.NODE, pid=cri.CONTAINER, ipc=cri.NODE)
    linux = cri.LinuxPodSandboxConfig(security_context=cri.LinuxSandboxSecurityContext(namespace_options=options))
    status = node.pod(linux=linux).status()
    assert status.linux.namespaces.options == options
    assert status.network.ip == ""


def test_resources_of_the_pod_are_remembered(pod, client):
    client.UpdatePodSandboxResources(
        pod_sandbox_id=pod.id, resources=cri.LinuxContainerResources(memory_limit_in_bytes=2**26)
    )
    assert pod.inside()["config"]["linux"]["resources"]["memory_limit_in_bytes"] == str(2**26)


def test_a_sandbox_whose_process_dies_is_not_ready(node, pod):
    import os
    import signal

    app = pod.start()
    made = pod.create("later")
    os.kill(pod.process(), signal.SIGKILL)
    node.until(lambda: pod.status().state == cri.SANDBOX_NOTREADY)
    assert pod.exited(app).exit_code == 137
    assert pod.container(made).state == cri.CONTAINER_CREATED
    assert pod.client.refused("StartContainer", container_id=made)[0] is grpc.StatusCode.FAILED_PRECONDITION
