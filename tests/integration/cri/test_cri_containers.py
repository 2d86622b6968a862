"""The life of a container, as a kubelet sees it."""

from __future__ import annotations

import time

import grpc
import msgspec
import pytest

from pyrt.cri import runtime_pb2 as cri
from tests.integration.cri.conftest import IMAGE

NAME = f"docker.io/library/{IMAGE}"


def test_created_running_exited(pod, client):
    before = time.time_ns()
    app = pod.create("app", "sh", "-c", "read line; exit 3", stdin=True)
    status = pod.container(app)
    assert status.state == cri.CONTAINER_CREATED
    assert before < status.created_at < time.time_ns()
    assert (status.started_at, status.finished_at, status.exit_code, status.reason) == (0, 0, 0, "")

    client.StartContainer(container_id=app)
    status = pod.container(app)
    assert status.state == cri.CONTAINER_RUNNING
    assert status.created_at < status.started_at < time.time_ns()
    assert status.finished_at == 0

    client.StopContainer(container_id=app, timeout=0)
    status = pod.exited(app)
    assert status.started_at < status.finished_at < time.time_ns()
    assert (status.exit_code, status.reason) == (137, "Error")


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [("true", 0, "Completed"), ("exit 3", 3, "Error"), ("kill -TERM $$", 143, "Error")],
)
def test_how_a_container_ended(pod, command, code, reason):
    status = pod.exited(pod.start("app", "sh", "-c", command))
    assert (status.exit_code, status.reason, status.message) == (code, reason, "")


def test_a_command_that_is_not_there(pod, client):
    app = pod.create("app", "/no/such/command")
    _, details = client.refused("StartContainer", container_id=app)
    assert "/no/such/command" in details
    status = pod.container(app)
    assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 127, "ContainerCannotRun")
    assert "/no/such/command" in status.message
    assert status.finished_at > status.created_at


def test_what_a_status_tells(node, client, tmp_path):
    pod = node.pod("told")
    (image,) = client.ListImages().images
    mounts = [
        cri.Mount(host_path=str(tmp_path), container_path="/data", propagation=cri.PROPAGATION_HOST_TO_CONTAINER),
        cri.Mount(host_path="/etc/hostname", container_path="/name", readonly=True),
    ]
    resources = cri.LinuxContainerResources(cpu_shares=512, memory_limit_in_bytes=2**26, oom_score_adj=998)
    app = pod.start(
        image=cri.ImageSpec(image=image.id, user_specified_image=IMAGE),
        labels={"io.kubernetes.container.name": "app"},
        annotations={"io.kubernetes.container.hash": "1"},
        mounts=mounts,
        linux=cri.LinuxContainerConfig(
            resources=resources,
            security_context=cri.LinuxContainerSecurityContext(
                run_as_user=cri.Int64Value(value=1000), supplemental_groups=[5]
            ),
        ),
        stop_signal=cri.SIGNAL_SIGUSR1,
    )
    status = pod.container(app)
    assert status.metadata == cri.ContainerMetadata(name="app")
    assert (status.image.image, status.image_id) == (NAME, image.id)
    assert status.image_ref == (image.repo_digests[0] if image.repo_digests else image.id)
    assert dict(status.labels) == {"io.kubernetes.container.name": "app"}
    assert dict(status.annotations) == {"io.kubernetes.container.hash": "1"}
    assert list(status.mounts) == mounts
    assert status.log_path == f"{pod.config.log_directory}/app/0.log"
    assert status.resources.linux == resources
    assert (status.user.linux.uid, status.user.linux.gid) == (1000, 1000)
    assert set(status.user.linux.supplemental_groups) == {5, 1000, 2000}
    assert status.stop_signal == cri.SIGNAL_SIGUSR1

    (item,) = client.ListContainers().containers
    assert (item.id, item.pod_sandbox_id, item.state) == (app, pod.id, cri.CONTAINER_RUNNING)
    assert item.image.image == image.id
    assert item.image_id == item.image_ref == image.id
    assert (item.created_at, item.labels, item.annotations) == (status.created_at, status.labels, status.annotations)
    assert pod.container(app[:10]) == status


def test_the_inside_of_a_container(pod, client):
    app = pod.start()
    info = client.ContainerStatus(container_id=app, verbose=True).info
    inside = msgspec.json.decode(info["info"])
    assert inside["sandboxID"] == pod.id
    assert inside["config"]["metadata"]["name"] == "app"
    assert inside["runtimeSpec"]["process"]["args"][0] == "sh"
    with open(f"/proc/{inside['pid']}/cmdline", "rb") as file:
        assert file.read().startswith(b"sh\0-c\0trap")


def test_the_stop_signal_comes_first(pod, client):
    app = pod.start(
        "app", "sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.1; done", stop_signal=cri.SIGNAL_SIGUSR1
    )
    pod.node.until(lambda: pod.log(app))
    client.StopContainer(container_id=app, timeout=20)
    assert pod.container(app).exit_code == 7
    client.StopContainer(container_id=app, timeout=20)


def test_who_does_not_listen_is_killed_after_the_timeout(pod, client):
    app = pod.start("app", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    pod.node.until(lambda: pod.log(app))
    client.StopContainer(container_id=app, timeout=1)
    status = pod.container(app)
    assert (status.state, status.exit_code) == (cri.CONTAINER_EXITED, 137)


def test_a_caller_whose_deadline_passes_kills_nothing_and_the_next_one_sends_no_second_signal(pod, client):
    app = pod.start("app", "sh", "-c", "trap 'echo asked' TERM; echo ready; while :; do sleep 0.1; done")
    pod.node.until(lambda: pod.log(app))
    with pytest.raises(grpc.RpcError) as caught:
        client.StopContainer(container_id=app, timeout=60, deadline=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    pod.node.until(lambda: "asked" in pod.log(app))
    assert pod.container(app).state == cri.CONTAINER_RUNNING
    client.StopContainer(container_id=app, timeout=1)
    assert pod.container(app).exit_code == 137
    assert pod.log(app) == "ready\nasked\n"


def test_a_container_that_never_started_is_stopped_already(pod, client):
    app = pod.create()
    client.StopContainer(container_id=app, timeout=0)
    assert pod.container(app).state == cri.CONTAINER_CREATED
    client.RemoveContainer(container_id=app)


def test_a_running_container_is_removed_by_force_and_its_log_stays(pod, client):
    app = pod.start("app", "sh", "-c", "echo here; sleep 1000")
    pod.node.until(lambda: pod.log(app))
    path = pod.container(app).log_path
    for _ in range(2):
        client.RemoveContainer(container_id=app)
    assert client.refused("ContainerStatus", container_id=app)[0] is grpc.StatusCode.NOT_FOUND
    with open(path) as file:
        assert file.read().endswith(" stdout F here\n")


@pytest.mark.parametrize("method", ["StopContainer", "RemoveContainer"])
def test_what_is_not_there_has_been_stopped_and_removed(client, method):
    getattr(client, method)(container_id="0" * 64)


def test_the_same_attempt_is_refused_and_the_next_one_is_not(pod, client):
    app = pod.create()
    with pytest.raises(grpc.RpcError) as caught:
        pod.create()
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert app in caught.value.details()
    assert pod.create(attempt=1) != app


def test_what_it_takes_to_create_and_start(pod, client):
    def code(call, *arguments, **fields):
        with pytest.raises(grpc.RpcError) as caught:
            call(*arguments, **fields)
        return caught.value.code()

    app = pod.start("once", "true")
    pod.exited(app)
    assert code(client.StartContainer, container_id=app) is grpc.StatusCode.FAILED_PRECONDITION
    assert code(client.StartContainer, container_id="0" * 64) is grpc.StatusCode.NOT_FOUND
    assert code(pod.create, image=cri.ImageSpec(image="no/such:image")) is grpc.StatusCode.NOT_FOUND
    client.StopPodSandbox(pod_sandbox_id=pod.id)
    assert code(pod.create, "late") is grpc.StatusCode.FAILED_PRECONDITION


def test_resources_change_in_place(pod, client):
    linux = cri.LinuxContainerConfig(resources=cri.LinuxContainerResources(cpu_shares=512, memory_limit_in_bytes=2**26))
    app = pod.start(linux=linux)
    client.UpdateContainerResources(container_id=app, linux=cri.LinuxContainerResources(memory_limit_in_bytes=2**27))
    told = pod.container(app).resources.linux
    assert (told.cpu_shares, told.memory_limit_in_bytes) == (512, 2**27)


def test_lists_are_filtered(node, client):
    one, two = node.pod(labels={"tier": "a"}), node.pod(labels={"tier": "b"})
    first = one.start(labels={"role": "x", "common": "1"})
    second = two.start("app", "true", labels={"role": "y", "common": "1"})
    two.exited(second)
    client.StopPodSandbox(pod_sandbox_id=two.id)

    def containers(**fields):
        found = [item.id for item in client.ListContainers(filter=cri.ContainerFilter(**fields)).containers]
        streamed = client.StreamContainers(filter=cri.ContainerFilter(**fields))
        assert found == [item.id for answer in streamed for item in answer.containers]
        return found

    def sandboxes(**fields):
        found = [item.id for item in client.ListPodSandbox(filter=cri.PodSandboxFilter(**fields)).items]
        streamed = client.StreamPodSandboxes(filter=cri.PodSandboxFilter(**fields))
        assert found == [item.id for answer in streamed for item in answer.pod_sandboxes]
        return found

    assert containers() == [first, second]
    assert containers(id=first[:8]) == containers(pod_sandbox_id=one.id) == [first]
    assert containers(pod_sandbox_id=one.id, id=second) == []
    assert containers(state=cri.ContainerStateValue(state=cri.CONTAINER_EXITED)) == [second]
    assert containers(state=cri.ContainerStateValue(state=cri.CONTAINER_CREATED)) == []
    assert containers(label_selector={"common": "1"}) == [first, second]
    assert containers(label_selector={"common": "1", "role": "y"}) == [second]
    assert sandboxes() == [one.id, two.id]
    assert sandboxes(id=two.id[:8]) == [two.id]
    assert sandboxes(state=cri.PodSandboxStateValue(state=cri.SANDBOX_READY)) == [one.id]
    assert sandboxes(label_selector={"tier": "b"}) == [two.id]


def test_events_tell_the_whole_state(node, client):
    stream = client.GetContainerEvents()
    stream.initial_metadata()
    told = []

    def until(kind, key):
        for event in stream:
            told.append(event)
            if (event.container_event_type, event.container_id) == (kind, key):
                return event
        raise AssertionError("the stream ended")

    pod = node.pod("eventful")
    until(cri.CONTAINER_STARTED_EVENT, pod.id)
    app = pod.start("app", "sh", "-c", "exit 5")
    stopped = until(cri.CONTAINER_STOPPED_EVENT, app)
    assert stopped.pod_sandbox_status == pod.status()
    assert list(stopped.containers_statuses) == [pod.container(app)]
    assert stopped.containers_statuses[0].exit_code == 5
    client.RemovePodSandbox(pod_sandbox_id=pod.id)
    gone = until(cri.CONTAINER_DELETED_EVENT, pod.id)
    assert gone.pod_sandbox_status.metadata == pod.config.metadata
    assert gone.pod_sandbox_status.state == cri.SANDBOX_NOTREADY
    assert list(gone.containers_statuses) == []
    stream.cancel()

    names = {pod.id: "pod", app: "app"}
    kinds = [(names[e.container_id], cri.ContainerEventType.Name(e.container_event_type)[10:-6]) for e in told]
    assert kinds == [
        ("pod", "CREATED"),
        ("pod", "STARTED"),
        ("app", "CREATED"),
        ("app", "STARTED"),
        ("app", "STOPPED"),
        ("pod", "STOPPED"),
        ("app", "DELETED"),
        ("pod", "DELETED"),
    ]
    assert [event.created_at for event in told] == sorted(event.created_at for event in told)
