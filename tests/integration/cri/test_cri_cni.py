"""A kubelet's sandboxes on a network of CNI plugins, while the daemon comes and goes."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import msgspec
import pytest

from pyrt.cri import runtime_pb2 as cri

HANG = """#!/bin/sh
here=$(dirname "$0")
echo "$CNI_COMMAND $$" >>"$here/calls"
if [ "$CNI_COMMAND" = ADD ]; then while :; do sleep 0.1; done; fi
"""


@pytest.fixture
def node(shared_node):
    """The node of this file, whose daemon tests may kill; each begins without a configuration."""
    yield shared_node
    shared_node.clear()
    shutil.rmtree(shared_node.config.cni.conf_dir)


def ended(pid):
    """Whether a process is gone, or only waits for whoever should reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def network(node, **plugin):
    """A routed link for each sandbox: nothing that would outlive it."""
    directory = node.config.cni.conf_dir
    directory.mkdir(exist_ok=True)
    ipam = {"type": "host-local", "dataDir": str(directory / "ipam"), "ranges": [[{"subnet": "10.88.73.0/24"}]]}
    document = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "ptp", "ipam": ipam, **plugin}]}
    (directory / "10.conflist").write_text(json.dumps(document))


def reserved(node):
    return [name for name in os.listdir(node.config.cni.conf_dir / "ipam" / "net") if name[0].isdigit()]


def ready(client):
    found = client.Status().status.conditions
    condition = next(one for one in found if one.type == "NetworkReady")
    return condition.status, condition.reason, condition.message


def test_network_ready_follows_the_directory(node):
    client = node.client
    assert ready(client) == (True, "", "")
    directory = node.config.cni.conf_dir
    directory.mkdir()
    (directory / "10.conflist").write_text("{}")
    message = f"CNI configuration {directory}/10.conflist: name: expected letters, digits, '_', '.' and '-', got None"
    assert ready(client) == (False, "NetworkPluginNotReady", message)
    assert client.refused("RunPodSandbox", config=node.config_of("web")) == (
        grpc.StatusCode.UNKNOWN,
        f"pod default/web: {message}",
    )
    network(node)
    assert ready(client) == (True, "", "")
    assert "ptp" in client.Status(verbose=True).info["cniconfig"]
    network_config = cri.NetworkConfig(pod_cidr="10.5.0.0/24,fd00:5::/64")
    client.UpdateRuntimeConfig(runtime_config=cri.RuntimeConfig(network_config=network_config))


def test_a_kill_of_the_daemon_changes_nothing(node):
    network(node)
    pod = node.pod()
    container = pod.start()
    before = pod.status()
    assert before.network.ip == "10.88.73.2"
    inside = pod.inside()
    assert inside["cniCheck"] == "OK"
    assert inside["cniResult"]["eth0"]["ips"][0]["address"] == "10.88.73.2/24"
    assert Path(inside["networkNamespace"]).exists()
    node.kill()
    node.start()
    assert pod.status() == before
    assert pod.inside()["cniCheck"] == "OK"
    address = node.client.ExecSync(container_id=container, cmd=["ip", "addr", "show", "eth0"])
    assert b"inet 10.88.73.2/24" in address.stdout
    (node.config.cni.conf_dir / "10.conflist").unlink()
    node.client.StopPodSandbox(pod_sandbox_id=pod.id)
    assert reserved(node) == []
    assert not Path(inside["networkNamespace"]).exists()
    assert pod.status().network.ip == ""


def test_a_daemon_killed_in_the_middle_of_an_add(node):
    """No sandbox is left of it, the plugin that was running is ended, and then its work taken back."""
    tools = node.file.parent / "plugins"
    tools.mkdir()
    (tools / "hang").write_text(HANG)
    (tools / "hang").chmod(0o755)
    directories = [tools, *node.config.cni.bin_dirs]
    node.stop()
    node.process.wait()
    cni = msgspec.structs.replace(node.config.cni, bin_dirs=directories)
    node.configure(msgspec.structs.replace(node.config, cni=cni))
    node.start()
    network(node, type="hang")
    calls = tools / "calls"

    def run():
        with pytest.raises(grpc.RpcError):
            node.pod()

    with ThreadPoolExecutor() as pool:
        running = pool.submit(run)
        node.until(calls.exists)
        node.kill()
        running.result()
    pid = int(calls.read_text().split()[1])
    assert not ended(pid)
    node.start()
    assert list(node.client.ListPodSandbox().items) == []
    node.until(lambda: [line.split()[0] for line in calls.read_text().splitlines()] == ["ADD", "DEL"])
    assert ended(pid)
    node.until(lambda: os.listdir(node.config.cni.netns_dir) == [])
