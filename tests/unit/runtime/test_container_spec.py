"""CRI's container to the runtime-spec's: one edit of a base, one observation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrt.ids import Digest, ImageId
from pyrt.images.types import Image, ImageConfig
from pyrt.launch import capabilities
from pyrt.launch.user import Identity
from pyrt.runtime.config import (
    ContainerConfig,
    ContainerSecurity,
    Mount,
    NamespaceMode,
    PodMetadata,
    Propagation,
    SandboxConfig,
    Seccomp,
)
from pyrt.runtime.container_spec import HostFacts, command_of, container_config, environment_of, mount_sources
from pyrt.runtime.errors import InvalidConfigError
from pyrt.runtime.sandbox_plan import SandboxPlaces
from pyrt.spec import Config, LinuxDevice

PLACES = SandboxPlaces("/run/shm", "/etc-of", "/proc-of")
SANDBOX = SandboxConfig(metadata=PodMetadata("web", "default", "uid"), hostname="web", log_directory=Path("/log"))
IMAGE = Image(ImageId("sha256:0"), Digest("sha256:1"), (), (), 0, ImageConfig(cmd=("sh",)), (Path("/layer"),))
CONTAINER = ContainerConfig(name="app", attempt=0, image=IMAGE, image_ref="x", log_path=Path("app/0.log"))


def spec(sandbox: dict[str, Any] | None = None, *, facts: HostFacts | None = None, uid: int = 0, **edit: Any) -> Config:
    return container_config(
        replace(SANDBOX, **sandbox or {}), replace(CONTAINER, **edit), PLACES, Identity(uid=uid), facts or HostFacts()
    )


def secure(**edit: Any) -> ContainerSecurity:
    return ContainerSecurity(**edit)


def image(**edit: Any) -> Image:
    return replace(IMAGE, config=ImageConfig(**edit))


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "command", "args", "expected"),
    [
        (("e",), ("c",), (), (), ("e", "c")),
        (("e",), ("c",), (), ("a",), ("e", "a")),
        (("e",), ("c",), ("x",), (), ("x",)),
        (("e",), ("c",), ("x",), ("a",), ("x", "a")),
        ((), ("c", "d"), (), (), ("c", "d")),
    ],
)
def test_command(entrypoint: Any, cmd: Any, command: Any, args: Any, expected: Any) -> None:
    config = replace(CONTAINER, image=image(entrypoint=entrypoint, cmd=cmd), command=command, args=args)
    assert command_of(config) == expected


@pytest.mark.parametrize("edit", [{"image": image()}, {"command": ("",)}])
def test_no_command(edit: Any) -> None:
    with pytest.raises(InvalidConfigError, match="no command specified"):
        command_of(replace(CONTAINER, **edit))


def test_environment_keeps_places_and_the_last_word() -> None:
    config = replace(CONTAINER, image=image(env=("A=1", "PATH=/x", "B=2", "broken")), env=(("A", "3"), ("C", "a=b")))
    assert environment_of(config, "web", "/root") == (
        "PATH=/x", "HOSTNAME=web", "A=3", "B=2", "broken=", "C=a=b", "HOME=/root",
    )  # fmt: skip


def test_a_terminal_names_itself_unless_told() -> None:
    assert "TERM=xterm" in environment_of(replace(CONTAINER, tty=True), "web", "/")
    assert "TERM=vt100" in environment_of(replace(CONTAINER, tty=True, env=(("TERM", "vt100"),)), "web", "/")


def capability_sets(config: Config) -> tuple[set[str], set[str], tuple[str, ...]]:
    assert config.process is not None
    assert config.process.capabilities is not None
    caps = config.process.capabilities
    return set(caps.bounding), set(caps.effective), caps.inheritable + caps.ambient


def test_root_has_the_default_capabilities_and_nothing_is_inherited() -> None:
    assert capability_sets(spec()) == (set(capabilities.DEFAULT), set(capabilities.DEFAULT), ())


def test_another_user_has_them_in_the_bounding_set_only() -> None:
    assert capability_sets(spec(uid=1000)) == (set(capabilities.DEFAULT), set(), ())


def test_privileged_has_everything_unhidden() -> None:
    config = spec(
        security=secure(privileged=True, seccomp=Seccomp("RuntimeDefault")),
        facts=HostFacts(devices=(LinuxDevice(path="/dev/vda", type="b", major=254, minor=0),)),
    )
    assert config.linux is not None
    assert capability_sets(config)[0] == set(capabilities.NAMES)
    assert (config.linux.seccomp, config.linux.masked_paths, config.linux.readonly_paths) == (None, (), ())
    assert [device.path for device in config.linux.devices] == ["/dev/vda"]
    assert config.linux.resources is not None
    assert [(rule.allow, rule.type) for rule in config.linux.resources.devices] == [(True, "a")]
    assert all("ro" not in mount.options for mount in config.mounts if mount.destination.startswith("/sys"))


def test_without_a_device_filter_nobody_makes_nodes() -> None:
    assert "CAP_MKNOD" not in capability_sets(spec(facts=HostFacts(device_filter=False)))[0]


@pytest.mark.parametrize(
    ("pid", "target", "own"),
    [
        (NamespaceMode.CONTAINER, "", True),
        (NamespaceMode.POD, "", False),
        (NamespaceMode.NODE, "", False),
        (NamespaceMode.CONTAINER, "abc", False),
    ],
)
def test_pid_namespace(pid: NamespaceMode, target: str, own: bool) -> None:
    config = spec({"pid": pid}, pid_target=target)
    assert config.linux is not None
    kinds = [namespace.type for namespace in config.linux.namespaces]
    assert kinds == ["mount", "cgroup", *(["pid"] if own else [])]


def mounted(config: Config) -> dict[str, str]:
    return {mount.destination: mount.source for mount in config.mounts if mount.type == "bind"}


def test_the_sandboxes_files_are_mounted_unless_replaced() -> None:
    assert mounted(spec()) == {
        "/dev/shm": "/run/shm",
        "/etc/hosts": "/etc-of/hosts",
        "/etc/resolv.conf": "/etc-of/resolv.conf",
        "/etc/hostname": "/etc-of/hostname",
    }
    assert mounted(spec(mounts=(Mount("/etc//hosts/", Path("/mine")),)))["/etc//hosts/"] == "/mine"
    assert "/etc/hosts" not in mounted(spec(mounts=(Mount("/etc//hosts/", Path("/mine")),)))


def test_host_ipc_has_the_hosts_shared_memory() -> None:
    assert mounted(spec({"ipc": NamespaceMode.NODE}))["/dev/shm"] == "/dev/shm"


def test_a_read_only_root_makes_the_files_read_only() -> None:
    config = spec(security=secure(readonly_rootfs=True))
    assert config.root is not None
    assert config.root.readonly
    assert all("ro" in mount.options for mount in config.mounts if mount.destination.startswith("/etc/"))


def test_parents_are_mounted_before_children() -> None:
    mounts = tuple(Mount(path, Path("/v")) for path in ("/a/b/c", "/z", "/a", "/a/b"))
    assert [mount.destination for mount in spec(mounts=mounts).mounts[-4:]] == ["/z", "/a", "/a/b", "/a/b/c"]


@pytest.mark.parametrize(
    ("edit", "options"),
    [
        ({}, ("rbind", "rprivate")),
        ({"readonly": True}, ("rbind", "rprivate", "ro")),
        ({"readonly": True, "recursive_readonly": True}, ("rbind", "rprivate", "ro", "rro")),
        ({"propagation": Propagation.HOST_TO_CONTAINER}, ("rbind", "rslave")),
        ({"propagation": Propagation.BIDIRECTIONAL}, ("rbind", "rshared")),
    ],
)
def test_mount_options(edit: dict[str, Any], options: tuple[str, ...]) -> None:
    assert spec(mounts=(Mount("/v", Path("/host"), **edit),)).mounts[-1].options == options


def test_what_the_spec_cannot_say_of_a_mount() -> None:
    mount = Mount("/v", Path("/host"), sub_path="a/b", propagation=Propagation.BIDIRECTIONAL, description="emptyDir v")
    source = mount_sources(replace(CONTAINER, mounts=(mount,)))["/v"]
    assert (source.subpath, source.bidirectional, source.note) == ("a/b", True, "emptyDir v")


@pytest.mark.parametrize(
    ("seccomp", "field"),
    [(Seccomp("Nonsense"), "seccompProfile.type"), (Seccomp("Localhost"), "seccompProfile.type"),
     (Seccomp("Localhost", Path("../x")), "seccompProfile")],
)  # fmt: skip
def test_a_seccomp_type_that_is_none(seccomp: Seccomp, field: str) -> None:
    with pytest.raises(InvalidConfigError) as refused:
        spec(security=secure(seccomp=seccomp))
    assert refused.value.operation == field


def test_needs_no_root_and_touches_nothing() -> None:
    config = spec(image=replace(IMAGE, layers=(Path("/nonexistent"),)))
    assert config.process is not None
    assert config.process.args == ("sh",)
