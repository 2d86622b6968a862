"""Sandboxes of a kubelet on a machine that is a network namespace of its own: bridges and rules that plugins make there
go with it.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pyrt.config import Config
from pyrt.network.cni.namespaces import drop
from pyrt.runtime.config import Owner, SandboxConfig
from tests.integration.runtime.conftest import Host, until

__all__ = ["Call", "Kubelet", "Plugins", "until"]

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "eth0", "sandbox": "x"}],
    "ips": [{"address": "10.88.0.5/24", "interface": 0}],
}

_SCRIPT = """#!/bin/sh
# Writes down how it was called, then does what the file beside it says.
here=$(dirname "$0")/..
me=$(basename "$0")
given=$(cat)
printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' \\
    "$me" "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS" "$given" >>"$here/calls"
env >"$here/environment"
if [ -e "$here/$me.$CNI_COMMAND" ]; then . "$here/$me.$CNI_COMMAND"; fi
case "$CNI_COMMAND" in
ADD) cat "$here/result" ;;
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}' ;;
esac
"""


@dataclasses.dataclass(frozen=True)
class Call:
    """One run of a scripted plugin."""

    plugin: str
    command: str
    container: str
    netns: str
    interface: str
    arguments: str
    given: dict[str, Any]


class Plugins:
    """Plugins that do what a test says. Without being told they succeed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir(parents=True)
        (directory / "result").write_text(json.dumps(RESULT))
        for name in ("first", "second"):
            self.make(name)

    def make(self, name: str) -> None:
        """Install one."""
        (self.bin / name).write_text(_SCRIPT)
        (self.bin / name).chmod(0o755)

    def remove(self, name: str) -> None:
        """It is gone."""
        (self.bin / name).unlink()

    def on(self, name: str, command: str, shell: str) -> None:
        """What it does from now on; an empty text is what it does by itself."""
        path = self.directory / f"{name}.{command}"
        if shell:
            path.write_text(shell + "\n")
        else:
            path.unlink()

    def calls(self, *commands: str) -> list[Call]:
        """How they have been called, with one of these commands."""
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [Call(*line.split("\t")[:6], json.loads(line.split("\t")[6])) for line in lines]
        return [call for call in found if not commands or call.command in commands]

    def order(self, *commands: str) -> list[str]:
        """``ADD first`` and so on."""
        return [f"{call.command} {call.plugin}" for call in self.calls(*commands)]


class Kubelet(Host):
    """A runtime whose sandboxes are a kubelet's."""

    def sandbox(self, **edit: Any) -> SandboxConfig:
        return super().sandbox(**{"owner": Owner.CRI, **edit})

    @property
    def conf_dir(self) -> Path:
        return self.config.cni.conf_dir

    def network(self, *plugins: dict[str, Any], name: str = "net", file: str = "10.conflist", **edit: Any) -> None:
        """Write a configuration."""
        self.conf_dir.mkdir(exist_ok=True)
        document = {"cniVersion": "1.0.0", "name": name, "plugins": list(plugins), **edit}
        (self.conf_dir / file).write_text(json.dumps(document))

    def bridge(self, subnet: str = "10.88.0.0/24", **edit: Any) -> dict[str, Any]:
        """A bridge with addresses from a directory of this instance's."""
        return {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": self.addresses(subnet), **edit}

    def addresses(self, subnet: str) -> dict[str, Any]:
        return {
            "type": "host-local",
            "dataDir": str(self.config.paths.root / "ipam"),
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }

    def reserved(self, name: str = "net") -> list[str]:
        """Addresses that host-local has given away."""
        directory = self.config.paths.root / "ipam" / name
        names = os.listdir(directory) if directory.exists() else []
        return sorted(entry for entry in names if entry[0].isdigit())

    def kept(self) -> list[str]:
        """Network namespaces that are kept for plugins."""
        directory = self.config.cni.netns_dir
        return os.listdir(directory) if directory.exists() else []

    def unfinished(self) -> list[str]:
        """Sandboxes of which something has still to be taken down."""
        return [str(sandbox_id) for sandbox_id in self.runtime.cni._records.all]

    def leftovers(self) -> list[str]:
        mounted = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.root) in line]
        return [*super().leftovers(), *self.kept(), *self.unfinished(), *mounted]


def shell(command: str) -> str:
    """What a command on the machine prints."""
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def machine() -> Iterator[Callable[[str], str]]:
    """This thread, and what it starts, is in a network namespace of its own; runs commands there."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    assert _libc.unshare(_CLONE_NEWNET) == 0
    try:
        shell("ip link set lo up")
        yield shell
    finally:
        assert _libc.setns(before, _CLONE_NEWNET) == 0
        os.close(before)


@pytest.fixture
def plugins(workdir: Path) -> Plugins:
    return Plugins(workdir / "plugins")


@pytest.fixture
def edit() -> dict[str, Any]:
    """Keys of ``[cni]`` that a test wants otherwise: ``@pytest.mark.parametrize("edit", [...])``."""
    return {}


@pytest.fixture
async def kubelet(
    instance: Config, busybox_root: Path, machine: Callable[[str], str], plugins: Plugins, edit: dict[str, Any]
) -> AsyncIterator[Kubelet]:
    """A runtime that has begun, with the distribution's plugins and the test's; nothing of it may be left."""
    directories = [plugins.bin, Path("/opt/cni/bin"), Path("/usr/lib/cni")]
    edit = {"bin_dirs": directories, "conf_template": plugins.directory / "template", **edit}
    cni = msgspec.structs.replace(instance.cni, **edit)
    kubelet = Kubelet(msgspec.structs.replace(instance, cni=cni), busybox_root)
    await kubelet.runtime.recover()
    yield kubelet
    try:
        assert await kubelet.cleanup() == []
    finally:
        for name in kubelet.kept():  # of a test that has failed
            drop(str(kubelet.config.cni.netns_dir / name))
