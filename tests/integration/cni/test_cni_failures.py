"""Plugins that fail in every way, and daemons that die while they run; what is told, and what is left: nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from pyrt.network.cni import CniError, NetworkStatus
from pyrt.network.cni.namespaces import drop, keep
from pyrt.runtime.errors import SandboxError
from pyrt.runtime.status import SandboxState

from .conftest import RESULT, Kubelet, Plugins, until

CHAIN = ({"type": "first"}, {"type": "second", "capabilities": {"portMappings": True}})


async def refused(kubelet: Kubelet) -> str:
    """Why a sandbox cannot be made; nothing of it is there then."""
    with pytest.raises(SandboxError) as caught:
        await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert kubelet.runtime.list_sandboxes() == []
    return str(caught.value)


@pytest.mark.core
async def test_a_chain_hands_its_result_on(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert status.addresses == ("10.88.0.5",)
    first, second = plugins.calls("ADD")
    assert (first.plugin, first.container, first.interface) == ("first", status.id, "eth0")
    assert first.netns == second.netns == kubelet.runtime.cni.netns(status.id)
    assert "prevResult" not in first.given
    assert second.given["prevResult"] == RESULT
    meta = status.config.metadata
    assert f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={meta.name}" in first.arguments
    environment = (plugins.directory / "environment").read_text()
    names = {line.split("=")[0] for line in environment.splitlines()}
    assert {name for name in names if not name.startswith("CNI_")} <= {"PATH", "HOME", "PWD", "SHLVL", "_", "OLDPWD"}
    await kubelet.runtime.cni.check(status.id)
    await kubelet.runtime.remove_sandbox(status.id)
    assert plugins.order("CHECK", "DEL") == ["CHECK first", "CHECK second", "DEL second", "DEL first"]
    assert all(call.given["prevResult"] == RESULT for call in plugins.calls("CHECK", "DEL"))
    assert all(call.netns == first.netns for call in plugins.calls("CHECK", "DEL"))
    assert {call.arguments for call in plugins.calls("DEL")} == {first.arguments}


async def test_an_old_version_has_no_result_on_the_way_back(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN, cniVersion="0.3.1")
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    await kubelet.runtime.cni.check(status.id)
    await kubelet.runtime.remove_sandbox(status.id)
    assert plugins.order("CHECK", "DEL") == ["DEL second", "DEL first"]
    assert not any("prevResult" in call.given for call in plugins.calls("DEL"))


async def test_the_newest_version_that_all_plugins_speak(kubelet: Kubelet, plugins: Plugins) -> None:
    plugins.on("second", "VERSION", """echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'; exit""")
    kubelet.network(*CHAIN, cniVersions=["0.4.0", "1.0.0", "1.1.0"])
    await kubelet.runtime.run_sandbox(kubelet.sandbox())
    await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert {call.given["cniVersion"] for call in plugins.calls("ADD")} == {"1.0.0"}
    assert plugins.order("VERSION") == ["VERSION first", "VERSION second"]


FAILURES = {
    "an error": (
        """echo '{"cniVersion":"1.0.0","code":101,"msg":"no cable","details":"port 3"}'; echo noise >&2; exit 1""",
        "CNI network net: plugin second: ADD: no cable: port 3 (code 101); stderr: noise",
    ),
    "rubbish": (
        "echo I am done; echo why >&2; exit 0",
        "CNI network net: plugin second: ADD: no result: expected a JSON object, got I am done; stderr: why",
    ),
    "rubbish and failure": (
        "echo oh no; exit 7",
        "CNI network net: plugin second: ADD: exit status 7; it printed oh no",
    ),
    "silence": ("exit 3", "CNI network net: plugin second: ADD: exit status 3, without a word"),
    "nothing": ("exit 0", "CNI network net: plugin second: ADD: no result: expected a JSON object, got nothing"),
    "a signal": ("kill -SEGV $$", "CNI network net: plugin second: ADD: killed by signal 11, without a word"),
    "no address": ("""echo '{"cniVersion":"1.0.0"}'; exit 0""", "CNI network net: no address on eth0 in the result"),
    "a bad address": (
        """echo '{"ips":[{"address":"here"}]}'; exit 0""",
        "CNI network net: plugin second: ADD: no result: 'here' does not appear to be an IPv4 or IPv6 interface",
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_a_failed_add_is_told_in_full_and_taken_back(kubelet: Kubelet, plugins: Plugins, kind: str) -> None:
    shell, error = FAILURES[kind]
    plugins.on("second", "ADD", shell)
    kubelet.network(*CHAIN)
    assert await refused(kubelet) == f"pod default/pod0: {error}"
    assert plugins.order("ADD", "DEL") == ["ADD first", "ADD second", "DEL second", "DEL first"]
    assert (kubelet.kept(), kubelet.unfinished()) == ([], [])
    plugins.on("second", "ADD", "")
    await kubelet.runtime.run_sandbox(kubelet.sandbox())


async def test_a_plugin_that_is_not_there(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    plugins.remove("second")
    assert f"CNI plugin second: not found in {plugins.bin}, /opt/cni/bin, /usr/lib/cni" in await refused(kubelet)
    assert plugins.order("ADD", "DEL") == ["ADD first", "DEL first"]
    plugins.make("second")
    await until(lambda: not kubelet.unfinished())
    assert plugins.order("DEL") == ["DEL first", "DEL second", "DEL first"]
    (plugins.bin / "first").chmod(0o644)
    assert "plugin first: ADD: execute " in await refused(kubelet)
    (plugins.bin / "first").chmod(0o755)
    await until(lambda: not kubelet.unfinished())


@pytest.mark.parametrize("edit", [{"plugin_timeout_seconds": 1}])
async def test_a_plugin_that_hangs_is_killed_with_its_children(
    kubelet: Kubelet, plugins: Plugins, edit: dict[str, Any]
) -> None:
    kubelet.network(*CHAIN)
    plugins.on("second", "ADD", 'sleep 1000 & echo $! >"$here/pid"; echo waiting >&2; wait')
    assert "plugin second: ADD: killed after 1 s; stderr: waiting" in await refused(kubelet)
    await until(lambda: gone(plugins))
    assert plugins.order("DEL") == ["DEL second", "DEL first"]


async def test_a_plugin_that_leaves_something_running_holds_up_nobody(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    plugins.on("second", "ADD", 'sleep 1000 & echo $! >"$here/pid"')
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert status.addresses == ("10.88.0.5",)
    os.kill(int((plugins.directory / "pid").read_text()), 9)


async def test_a_caller_that_gives_up(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    plugins.on("second", "ADD", 'echo $$ >"$here/pid"; sleep 1000')
    task = asyncio.create_task(kubelet.runtime.run_sandbox(kubelet.sandbox()))
    await until((plugins.directory / "pid").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(plugins)
    assert plugins.order("DEL") == ["DEL second", "DEL first"]
    assert kubelet.runtime.list_sandboxes() == []


async def test_a_pod_process_that_dies_while_a_plugin_runs(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    plugins.on("second", "ADD", 'touch "$here/waits"; while [ ! -e "$here/go" ]; do sleep 0.01; done')
    task = asyncio.create_task(kubelet.runtime.run_sandbox(kubelet.sandbox()))
    await until((plugins.directory / "waits").exists)
    (pod,) = kubelet.runtime._core.pods.values()
    os.kill(pod.pid, 9)
    await until(lambda: not pod.alive)
    (plugins.directory / "go").touch()
    with pytest.raises(SandboxError, match=r"^pod default/pod0: the pod process has died$"):
        await task
    assert kubelet.runtime.list_sandboxes() == []
    assert plugins.order("DEL") == ["DEL second", "DEL first"]


async def test_a_failed_del_is_told_and_repeated(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    plugins.on("second", "DEL", """echo '{"code":11,"msg":"busy"}'; exit 1""")
    for again in (kubelet.runtime.stop_sandbox, kubelet.runtime.remove_sandbox):
        with pytest.raises(
            SandboxError, match=r"^pod default/pod0: CNI network net: plugin second: DEL: busy \(code 11\)$"
        ):
            await again(status.id)
    assert kubelet.runtime.sandbox_status(status.id).state is SandboxState.NOT_READY
    assert len(kubelet.kept()) == 1
    before = len(plugins.calls("DEL"))
    await until(lambda: len(plugins.calls("DEL")) > before)
    plugins.on("second", "DEL", "")
    await until(lambda: not kubelet.unfinished())
    assert kubelet.kept() == []
    done = plugins.order("DEL")
    await kubelet.runtime.remove_sandbox(status.id)
    assert plugins.order("DEL") == done
    assert kubelet.runtime.list_sandboxes() == []


async def test_a_failed_del_is_repeated_by_the_next_daemon(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    plugins.on("first", "DEL", "exit 1")
    with pytest.raises(SandboxError, match="plugin first: DEL: exit status 1, without a word"):
        await kubelet.runtime.remove_sandbox(status.id)
    await kubelet.restart()
    assert kubelet.unfinished() == [status.id]
    plugins.on("first", "DEL", "")
    (kubelet.conf_dir / "10.conflist").unlink()
    await until(lambda: not kubelet.unfinished())
    assert all(call.given["prevResult"] == RESULT for call in plugins.calls("DEL"))


async def test_a_sandbox_goes_though_its_plugin_has_gone_before(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    plugins.remove("second")
    await kubelet.runtime.remove_sandbox(status.id)
    assert kubelet.runtime.list_sandboxes() == []
    assert plugins.order("DEL") == ["DEL first"]
    assert kubelet.kept() == []
    plugins.make("second")
    await until(lambda: not kubelet.unfinished())
    assert plugins.calls("DEL")[-1].netns == ""


@pytest.mark.parametrize(
    "shell",
    [
        """echo '{"code":3,"msg":"who?"}'; exit 1""",
        """echo '{"code":100,"msg":"link eth0 not found"}'; exit 1""",
    ],
)
async def test_a_plugin_that_knows_no_such_container_has_nothing_to_take_down(
    kubelet: Kubelet, plugins: Plugins, shell: str
) -> None:
    kubelet.network(*CHAIN)
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    plugins.on("second", "DEL", shell)
    await kubelet.runtime.remove_sandbox(status.id)
    assert plugins.order("DEL") == ["DEL second", "DEL first"]


async def test_a_namespace_that_a_reboot_took(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    drop(kubelet.runtime.cni.netns(status.id))
    plugins.on("second", "DEL", """echo '{"code":100,"msg":"open : no such file or directory"}'; exit 1""")
    await kubelet.runtime.remove_sandbox(status.id)
    assert [call.netns for call in plugins.calls("DEL")] == ["", ""]


async def test_a_daemon_that_dies_while_a_plugin_runs(kubelet: Kubelet, plugins: Plugins) -> None:
    """The plugin of the dead daemon is ended before the next one takes back what it has done."""
    kubelet.network(*CHAIN)
    plugins.on("second", "ADD", 'trap "" TERM; echo $$ >"$here/pid"; while :; do sleep 0.1; done')
    task = asyncio.create_task(kubelet.runtime.run_sandbox(kubelet.sandbox()))
    await until((plugins.directory / "pid").exists)
    pid = int((plugins.directory / "pid").read_text())
    # As kill -9 leaves it: the plugin runs on, nothing of the sandbox has been taken back.
    dead = _abandon(kubelet, task)
    assert not gone(plugins)
    kubelet.open()
    await kubelet.runtime.recover()
    assert gone(plugins, pid)
    assert kubelet.runtime.list_sandboxes() == []
    await until(lambda: not kubelet.unfinished())
    assert plugins.order("ADD", "DEL") == ["ADD first", "ADD second", "DEL second", "DEL first"]
    del dead


async def test_whether_pods_can_have_a_network(kubelet: Kubelet, plugins: Plugins) -> None:
    """NetworkReady follows the directory, the plugins and what they say."""
    status = kubelet.runtime.cni.status
    ready = NetworkStatus(True)
    assert await status() == ready
    kubelet.conf_dir.mkdir()
    assert await status() == ready
    conf = kubelet.conf_dir / "10.conflist"
    conf.write_text('{"cniVersion": "1.1.0"')
    assert (await status()).message.startswith(f"CNI configuration {conf}: no JSON")
    assert (await refused(kubelet)).startswith(f"pod default/pod0: CNI configuration {conf}: no JSON")
    kubelet.network(*CHAIN, cniVersion="1.1.0")
    assert await status() == ready
    assert plugins.order("STATUS") == ["STATUS first", "STATUS second"]
    plugins.on("second", "STATUS", """echo '{"code":50,"msg":"no addresses left"}'; exit 1""")
    assert await status() == NetworkStatus(
        False, "NetworkPluginNotReady", "CNI network net: plugin second: STATUS: no addresses left (code 50)"
    )
    plugins.on("second", "STATUS", "")
    plugins.remove("first")
    assert (await status()).message.startswith("CNI plugin first: not found in ")
    plugins.make("first")
    assert await status() == ready
    kubelet.network(*CHAIN)
    before = plugins.order("STATUS")
    assert await status() == ready
    assert plugins.order("STATUS") == before, "STATUS is of 1.1.0"
    conf.unlink()
    assert await status() == ready
    assert (await kubelet.runtime.run_sandbox(kubelet.sandbox())).addresses[0].startswith("10.23")


@pytest.mark.parametrize("edit", [{"mode": "always"}])
async def test_no_network_no_pod(kubelet: Kubelet, plugins: Plugins, edit: dict[str, Any]) -> None:
    message = f"{kubelet.conf_dir}: no CNI configuration"
    assert await kubelet.runtime.cni.status() == NetworkStatus(False, "NetworkPluginNotReady", message)
    assert await refused(kubelet) == f"pod default/pod0: {message}"
    kubelet.network(*CHAIN)
    assert (await kubelet.runtime.run_sandbox(kubelet.sandbox())).addresses == ("10.88.0.5",)


@pytest.mark.parametrize("edit", [{"mode": "never"}])
async def test_no_plugins(kubelet: Kubelet, plugins: Plugins, edit: dict[str, Any]) -> None:
    kubelet.network(*CHAIN)
    assert await kubelet.runtime.cni.status() == NetworkStatus(True)
    assert (await kubelet.runtime.run_sandbox(kubelet.sandbox())).addresses[0].startswith("10.23")
    assert plugins.calls() == []


async def test_plugins_are_told_once_what_is_still_there(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN, cniVersion="1.1.0")
    status = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    other = await kubelet.runtime.run_sandbox(kubelet.sandbox())
    await kubelet.runtime.remove_sandbox(other.id)
    await kubelet.restart()
    await until(lambda: len(plugins.calls("GC")) == 2)
    assert plugins.order("GC") == ["GC first", "GC second"]
    valid = [{"containerID": status.id, "ifname": "eth0"}]
    assert {str(call.given["cni.dev/valid-attachments"]) for call in plugins.calls("GC")} == {str(valid)}
    kubelet.network(*CHAIN, cniVersion="1.1.0", disableGC=True)
    await kubelet.runtime.cni.collect()
    assert len(plugins.calls("GC")) == 2


async def test_the_nodes_addresses_are_filled_in_once(kubelet: Kubelet, plugins: Plugins) -> None:
    template = '{"name":"pods","cniVersion":"1.0.0","plugins":[{"type":"first","x":"{{.PodCIDR}}"}]}'
    (plugins.directory / "template").write_text(template)
    networks = kubelet.runtime.cni
    networks.set_pod_cidrs(["10.5.0.0/24"])
    await kubelet.runtime.run_sandbox(kubelet.sandbox())
    networks.set_pod_cidrs(["10.6.0.0/24"])
    await kubelet.runtime.run_sandbox(kubelet.sandbox())
    assert [call.given["x"] for call in plugins.calls("ADD")] == ["10.5.0.0/24", "10.5.0.0/24"]


async def test_a_namespace_that_nobody_remembers(kubelet: Kubelet, plugins: Plugins) -> None:
    """Ours goes, whoever else keeps one under a name like ours."""
    directory = kubelet.config.cni.netns_dir
    prefix = kubelet.config.network.interface_prefix
    ours, other = str(directory / f"{prefix}-{'0' * 64}"), str(directory / f"{prefix}-other")
    keep(os.getpid(), ours)
    keep(os.getpid(), other)
    await kubelet.restart()
    assert kubelet.kept() == [f"{prefix}-other"]
    drop(other)


async def test_a_machine_that_is_to_forget_pyrt(kubelet: Kubelet, plugins: Plugins) -> None:
    kubelet.network(*CHAIN)
    for _ in range(2):
        await kubelet.runtime.run_sandbox(kubelet.sandbox())
    plugins.on("second", "DEL", 'case "$CNI_ARGS" in *NAME=pod0*) exit 1 ;; esac')
    with pytest.raises(CniError, match="plugin second: DEL: exit status 1"):
        await kubelet.runtime.cni.uninstall()
    assert kubelet.kept() == []
    assert len(kubelet.unfinished()) == 1
    plugins.on("second", "DEL", "")
    await kubelet.runtime.cni.uninstall()
    assert kubelet.unfinished() == []


def gone(plugins: Plugins, pid: int = 0) -> bool:
    """Whether the process that a plugin wrote down has ended."""
    pid = pid or int((plugins.directory / "pid").read_text())
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _abandon(kubelet: Kubelet, task: asyncio.Task[Any]) -> object:
    """Let go of a daemon without letting it clean up; what keeps its objects alive."""
    core = kubelet.runtime._core
    core.cni._closed = True
    for pod in core.pods.values():
        pod.on_closed = pod.on_exit = None
        pod.close()
    kubelet.store.close()
    return core, task
