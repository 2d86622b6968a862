"""The daemon is killed at any instant; the next one answers as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time

import grpc
import pytest

from pyrt.cri import runtime_pb2 as cri


def everything(node):
    """All that the door tells of every sandbox and container, by id."""
    client, told = node.client, {}
    assert [item.id for item in client.ListPodSandbox().items] == [pod.id for pod in node.pods]
    for item in client.ListPodSandbox().items:
        answer = client.PodSandboxStatus(pod_sandbox_id=item.id, verbose=True)
        assert list(answer.containers_statuses) == [
            client.ContainerStatus(container_id=one.id).status
            for one in client.ListContainers(filter=cri.ContainerFilter(pod_sandbox_id=item.id)).containers
        ]
        told[item.id] = (item, answer.status, dict(answer.info))
    for item in client.ListContainers().containers:
        answer = client.ContainerStatus(container_id=item.id, verbose=True)
        told[item.id] = (item, answer.status, dict(answer.info))
    return told


def waits_for(path, command):
    """A script that does something as soon as a file is there."""
    return ("sh", "-c", f"while [ ! -e {path} ]; do sleep 0.05; done; {command}")


def test_everything_is_as_it_was(own_node, tmp_path):
    node = own_node
    flag = cri.Mount(host_path=str(tmp_path), container_path="/flag", propagation=cri.PROPAGATION_HOST_TO_CONTAINER)
    pod = node.pod(
        "rich",
        labels={"app": "rich"},
        annotations={"a": "b" * 5000},
        dns_config=cri.DNSConfig(servers=["192.0.2.1"]),
        linux=cri.LinuxPodSandboxConfig(sysctls={"net.ipv4.ip_local_port_range": "2000 3000"}),
    )
    node.client.UpdatePodSandboxResources(pod_sandbox_id=pod.id, resources=cri.LinuxContainerResources(cpu_shares=2048))
    made = pod.create("made")
    runs = pod.start("runs", labels={"l": "1"}, annotations={"n": "2"}, stop_signal=cri.SIGNAL_SIGRTMINPLUS3)
    node.client.UpdateContainerResources(
        container_id=runs, linux=cri.LinuxContainerResources(memory_limit_in_bytes=2**27)
    )
    pod.exited(pod.start("failed", "sh", "-c", "exit 3"))
    broken = pod.create("broken", "/not/there")
    node.client.refused("StartContainer", container_id=broken)
    ends = pod.start("ends", *waits_for("/flag/go", "exit 7"), mounts=[flag])
    killed = pod.start("killed", *waits_for("/flag/go", "kill -INT $$"), mounts=[flag])
    over = node.pod("over")
    over.start()
    node.client.StopPodSandbox(pod_sandbox_id=over.id)
    options = cri.NamespaceOption(network=cri.NODE, pid=cri.CONTAINER)
    security = cri.LinuxSandboxSecurityContext(namespace_options=options)
    host = node.pod("host", linux=cri.LinuxPodSandboxConfig(security_context=security))
    host.start(
        linux=cri.LinuxContainerConfig(security_context=cri.LinuxContainerSecurityContext(namespace_options=options))
    )
    dies = node.pod("dies")
    dies.start()
    before = everything(node)

    node.kill()
    down = time.time_ns()
    (tmp_path / "go").touch()
    pids = [int(_inside(before[key])["pid"]) for key in (ends, killed)]
    os.kill(int(_inside(before[dies.id])["pid"]), signal.SIGKILL)
    node.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    up = time.time_ns()
    node.start()
    after = everything(node)

    assert after.keys() == before.keys()
    for key, code in ((ends, 7), (killed, 130)):
        item, status, _ = after[key]
        assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, code, "Error")
        assert down < status.finished_at < up
        old_item, old_status, _ = before.pop(key)
        _same_but(old_status, status, "state", "exit_code", "reason", "finished_at")
        _same_but(old_item, item, "state")
    assert after[dies.id][1].state == cri.SANDBOX_NOTREADY
    _same_but(before.pop(dies.id)[1], after[dies.id][1], "state", "network")
    (lost,) = [item.id for item in node.client.ListContainers().containers if item.pod_sandbox_id == dies.id]
    assert after[lost][1].exit_code == 137
    _same_but(before.pop(lost)[1], after[lost][1], "state", "exit_code", "reason", "message", "finished_at")
    for key, told in before.items():
        assert after[key] == told

    node.kill()
    node.start()
    assert everything(node) == after
    node.client.StartContainer(container_id=made)
    assert pod.container(runs).state == cri.CONTAINER_RUNNING
    assert pod.log(runs) == ""


def _inside(told):
    return json.loads(told[2]["info"])


def _same_but(old, new, *names):
    """Equal in all other fields."""
    fields = [{f.name: v for f, v in message.ListFields() if f.name not in names} for message in (old, new)]
    assert fields[0] == fields[1]


class Load(threading.Thread):
    """A kubelet in a hurry: makes pods of two containers, one after the other, until its runtime is gone."""

    def __init__(self, node, turn):
        super().__init__()
        self.node, self.turn = node, turn
        self.ready, self.made, self.ran, self.removed = [], [], [], []

    def run(self):
        with contextlib.suppress(grpc.RpcError):
            for number in range(1000):
                pod = self.node.pod(f"load-{self.turn}-{number}")
                self.ready.append(pod.id)
                for name in ("one", "two"):
                    key = pod.create(name)
                    self.made.append(key)
                    pod.client.StartContainer(container_id=key)
                    self.ran.append(key)
                if number % 2:
                    self.removed.append(pod.id)  # from now on nothing is promised
                    pod.client.RemovePodSandbox(pod_sandbox_id=pod.id)


@pytest.mark.parametrize("milliseconds", [[40, 85, 130]], ids=["kills"])
def test_what_was_answered_is_there_at_whatever_instant_the_daemon_ends(own_node, milliseconds):
    node = own_node
    for turn, delay in enumerate(milliseconds):
        load = Load(node, turn)
        load.start()
        node.until(lambda load=load: load.ready)
        time.sleep(delay / 1000)  # an instant, not a wait for anything
        node.kill()
        load.join()
        node.start()
        client = node.client
        sandboxes = {item.id: item for item in client.ListPodSandbox().items}
        containers = {item.id: item for item in client.ListContainers().containers}
        doomed = set(load.removed)
        gone = {key for key in load.made if key not in containers}
        for key in load.ready:
            assert key in doomed or sandboxes[key].state == cri.SANDBOX_READY
        assert all(containers[key].pod_sandbox_id not in doomed for key in gone if key in containers)
        kept = [key for key in load.ran if key in containers and containers[key].pod_sandbox_id not in doomed]
        assert all(containers[key].state == cri.CONTAINER_RUNNING for key in kept)
        if not doomed:
            assert not gone
        assert {item.pod_sandbox_id for item in containers.values()} <= sandboxes.keys()
        for item in sandboxes.values():  # whatever is there can be asked about, and goes
            client.PodSandboxStatus(pod_sandbox_id=item.id)
        node.clear()
