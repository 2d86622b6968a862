"""Sandboxes on networks that the distribution's own plugins make."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pyrt.launch.context import UserNamespace
from pyrt.network.cni import CniError
from pyrt.network.types import HostPort
from pyrt.runtime.config import NamespaceMode, Owner
from pyrt.runtime.status import SandboxState

from .conftest import Kubelet, until

Shell = Callable[[str], str]
SERVE = ("sh", "-c", "echo hello >/tmp/x; exec httpd -f -p 80 -h /tmp")


async def fetch(address: str, port: int) -> str:
    """The page of :data:`SERVE`; waits until it is there."""
    for _ in range(500):
        try:
            reader, writer = await asyncio.open_connection(address, port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
            continue
        writer.write(b"GET /x HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.decode().rsplit("\n", 2)[-2]
    raise AssertionError("nobody answers")


async def test_a_bridge_with_ports_and_bandwidth(kubelet: Kubelet, machine: Shell) -> None:
    kubelet.network(
        kubelet.bridge(ipMasq=True),
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "bandwidth", "capabilities": {"bandwidth": True}},
    )
    status = await kubelet.runtime.run_sandbox(
        kubelet.sandbox(host_ports=(HostPort("tcp", 8080, 80),), annotations={"kubernetes.io/ingress-bandwidth": "10M"})
    )
    assert (status.state, status.addresses) == (SandboxState.READY, ("10.88.0.2",))
    container = await kubelet.start(status.id, *SERVE)
    assert "inet 10.88.0.2/24" in await kubelet.inside(container, "ip", "addr", "show", "eth0")
    assert "LOOPBACK,UP" in await kubelet.inside(container, "ip", "addr", "show", "lo")
    assert "default via 10.88.0.1" in await kubelet.inside(container, "ip", "route")
    assert f"10.88.0.2\t{status.config.hostname}\n" in await kubelet.inside(container, "cat", "/etc/hosts") + "\n"
    assert await fetch("10.88.0.2", 80) == "hello"
    assert await fetch("10.88.0.1", 8080) == "hello"
    assert "rate 10Mbit" in machine("tc qdisc")
    assert kubelet.runtime.cni.results(status.id)["eth0"]["ips"][0]["address"] == "10.88.0.2/24"

    await kubelet.runtime.stop_sandbox(status.id)
    assert kubelet.reserved() == []
    assert kubelet.kept() == []
    assert "veth" not in machine("ip -br link")
    assert status.id not in machine("iptables-save")
    stopped = kubelet.runtime.sandbox_status(status.id)
    assert stopped.state is SandboxState.NOT_READY
    await kubelet.runtime.stop_sandbox(status.id)


async def test_a_routed_link_with_both_families(kubelet: Kubelet) -> None:
    ipam = {
        **kubelet.addresses(""),
        "ranges": [[{"subnet": "fd00:88::/64"}], [{"subnet": "10.88.0.0/24"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    }
    kubelet.network({"type": "ptp", "ipam": ipam})
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert status.addresses == ("10.88.0.2", "fd00:88::2")
    container = await kubelet.start(status.id, *SERVE)
    assert await fetch("10.88.0.2", 80) == "hello"
    assert "inet6 fd00:88::2/64" in await kubelet.inside(container, "ip", "addr", "show", "eth0")
    assert await kubelet.inside(container, "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "0"


async def test_a_single_plugin_of_an_old_version(kubelet: Kubelet) -> None:
    kubelet.conf_dir.mkdir()
    plugin = {"cniVersion": "0.3.1", "name": "net", **kubelet.bridge()}
    (kubelet.conf_dir / "10.conf").write_text(json.dumps(plugin))
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert status.addresses == ("10.88.0.2",)


@pytest.mark.parametrize("edit", [{"max_conf_num": 2}])
async def test_a_second_network_is_eth1(kubelet: Kubelet, edit: dict[str, Any]) -> None:
    kubelet.network(kubelet.bridge())
    kubelet.network(kubelet.bridge("10.89.0.0/24", bridge="cni1"), name="other", file="20.conflist")
    kubelet.network(kubelet.bridge("10.90.0.0/24", bridge="cni2"), name="third", file="30.conflist")
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert status.addresses == ("10.88.0.2",)
    container = await kubelet.start(status.id, *SERVE)
    assert "inet 10.89.0.2/24" in await kubelet.inside(container, "ip", "addr", "show", "eth1")
    assert set(kubelet.runtime.cni.results(status.id)) == {"eth0", "eth1"}
    await kubelet.runtime.remove_sandbox(status.id)
    assert (kubelet.reserved(), kubelet.reserved("other")) == ([], [])


async def test_whose_network_is_whose(kubelet: Kubelet) -> None:
    """The operator's pods have pyrt's network beside a kubelet's; a pod on the host's network has no other."""
    kubelet.network(kubelet.bridge())
    own = await kubelet.runtime.run_sandbox(kubelet.sandbox(owner=Owner.API))
    assert own.addresses[0].startswith("10.23")
    theirs = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert theirs.addresses == ("10.88.0.2",)
    on_host = await kubelet.runtime.run_sandbox(kubelet.sandbox(network=NamespaceMode.NODE))
    assert on_host.addresses == ()
    assert kubelet.unfinished() == [theirs.id]
    (kubelet.conf_dir / "10.conflist").unlink()
    later = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert later.addresses[0].startswith("10.23")
    assert kubelet.runtime.sandbox_status(theirs.id).addresses == ("10.88.0.2",)


@pytest.mark.parametrize("edit", [{"own_pods": True}])
async def test_the_operators_pods_too_if_so_configured(kubelet: Kubelet, edit: dict[str, Any]) -> None:
    kubelet.network(kubelet.bridge())
    status, container = await kubelet.runtime.run_pod(
        kubelet.sandbox(owner=Owner.API), kubelet.container("ip", "addr", "show", "eth0")
    )
    assert status.addresses == ("10.88.0.2",)
    await kubelet.runtime.wait_container(container)
    assert "inet 10.88.0.2/24" in kubelet.output(container)


async def test_a_pod_with_ids_of_its_own(kubelet: Kubelet) -> None:
    kubelet.network(kubelet.bridge())
    status = await kubelet.runtime.run_sandbox(
        kubelet.sandbox(user_namespace=UserNamespace(first=655360, length=65536))
    )
    assert status.addresses == ("10.88.0.2",)
    await kubelet.start(status.id, *SERVE)
    assert await fetch("10.88.0.2", 80) == "hello"


async def test_a_check_tells_what_is_wrong(kubelet: Kubelet, machine: Shell) -> None:
    kubelet.network(kubelet.bridge())
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    await kubelet.runtime.cni.check(status.id)
    machine(f"nsenter --net={kubelet.runtime.cni.netns(status.id)} ip addr flush dev eth0")
    with pytest.raises(CniError, match=r"^CNI network net: plugin bridge: CHECK: .*10\.88\.0\.2"):
        await kubelet.runtime.cni.check(status.id)
    await kubelet.runtime.stop_sandbox(status.id)
    with pytest.raises(CniError, match="not attached to any network"):
        await kubelet.runtime.cni.check(status.id)


async def test_a_pod_process_that_dies_takes_its_network_along(kubelet: Kubelet) -> None:
    kubelet.network(kubelet.bridge())
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    os.kill(status.pid, signal.SIGKILL)
    await until(lambda: not kubelet.unfinished())
    assert (kubelet.reserved(), kubelet.kept()) == ([], [])
    assert kubelet.runtime.sandbox_status(status.id).state is SandboxState.NOT_READY
    await kubelet.runtime.stop_sandbox(status.id)


async def test_a_network_outlives_the_daemon_and_its_configuration(kubelet: Kubelet) -> None:
    """What was added by one configuration is taken down by the same, whatever is in the directory by then."""
    kubelet.network(kubelet.bridge())
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    container = await kubelet.start(status.id, *SERVE)
    await kubelet.restart()
    assert kubelet.runtime.sandbox_status(status.id) == status
    assert await fetch("10.88.0.2", 80) == "hello"
    await kubelet.runtime.cni.check(status.id)
    assert "10.88.0.2" in await kubelet.inside(container, "cat", "/etc/hosts")
    (kubelet.conf_dir / "10.conflist").unlink()
    await kubelet.restart()
    await kubelet.runtime.remove_sandbox(status.id)
    assert (kubelet.reserved(), kubelet.kept()) == ([], [])


async def test_a_pod_that_died_with_the_daemon_gives_its_address_back(kubelet: Kubelet, machine: Shell) -> None:
    kubelet.network(kubelet.bridge())
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    await kubelet.runtime.close()
    kubelet.store.close()
    os.kill(status.pid, signal.SIGKILL)
    await asyncio.to_thread(os.waitpid, status.pid, 0)
    kubelet.open()
    await kubelet.runtime.recover()
    await until(lambda: not kubelet.unfinished())
    assert (kubelet.reserved(), kubelet.kept()) == ([], [])
    assert "veth" not in machine("ip -br link")


async def test_a_port_of_the_host_reaches_only_its_pod(kubelet: Kubelet) -> None:
    kubelet.network(kubelet.bridge(), {"type": "portmap", "capabilities": {"portMappings": True}})
    first = await kubelet.runtime.run_sandbox(kubelet.sandbox(host_ports=(HostPort("tcp", 8080, 80),)))
    await kubelet.start(first.id, *SERVE)
    assert await fetch("10.88.0.1", 8080) == "hello"
    await kubelet.runtime.remove_sandbox(first.id)
    with socket.socket() as probe:
        assert probe.connect_ex(("10.88.0.1", 8080)) != 0
