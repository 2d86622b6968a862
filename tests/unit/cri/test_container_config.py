"""A kubelet's ContainerConfig in the runtime's words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.container_config import container_config, stop_signal
from pyrt.cri.errors import CriError
from pyrt.cri.sandbox_config import sandbox_config
from pyrt.ids import Digest, ImageId, SandboxId
from pyrt.images.types import Image, ImageConfig
from pyrt.launch.context import UserNamespace
from pyrt.runtime.config import (
    ContainerConfig,
    ContainerSecurity,
    Device,
    Mount,
    NamespaceMode,
    Propagation,
    Resources,
    SandboxConfig,
    Seccomp,
)
from pyrt.runtime.signals import parse_signal
from pyrt.runtime.status import SandboxState, SandboxStatus

IMAGE = Image(ImageId("sha256:0"), Digest("sha256:1"), (), (), 0, ImageConfig(), (Path("/layers/1"),))
METADATA = {"name": "web", "namespace": "default", "uid": "0b1c"}
SANDBOX = sandbox_config(
    cri.PodSandboxConfig(metadata=METADATA, log_directory="/var/log/pods/web"),  # type: ignore[arg-type]
    "",
)
IDS = UserNamespace(65536, 65536)
RANGE = [{"container_id": 0, "host_id": 65536, "length": 65536}]
MAPPED = {"mode": "POD", "uids": RANGE, "gids": RANGE}


def translated(
    sandbox: SandboxConfig = SANDBOX, images: dict[str, Image] | None = None, **fields: Any
) -> ContainerConfig:
    status = SandboxStatus(SandboxId("5"), sandbox, SandboxState.READY, 0)
    message = cri.ContainerConfig(**{"metadata": {"name": "app"}, **fields})
    return container_config(message, status, IMAGE, images or {})


def refused(match: str, sandbox: SandboxConfig = SANDBOX, **fields: Any) -> None:
    with pytest.raises(CriError, match=match) as caught:
        translated(sandbox, **fields)
    assert caught.value.code is StatusCode.INVALID_ARGUMENT


def secured(**context: Any) -> dict[str, Any]:
    return {"linux": {"security_context": context}}


def security(**context: Any) -> ContainerSecurity:
    return translated(**secured(**context)).security


def pid(sandbox: NamespaceMode, mode: str, **options: Any) -> tuple[NamespaceMode | None, str]:
    config = translated(replace(SANDBOX, pid=sandbox), **secured(namespace_options={"pid": mode, **options}))
    return config.pid, config.pid_target


def test_the_least() -> None:
    config = translated()
    assert (config.name, config.attempt, config.image, config.image_ref) == ("app", 0, IMAGE, "")
    assert (config.command, config.args, config.env, config.mounts, config.devices) == ((), (), (), (), ())
    assert config.log_path == Path()
    assert config.resources == Resources()
    assert config.security == ContainerSecurity(
        seccomp=Seccomp("Unconfined"), masked_paths=(), readonly_paths=(), oom_score_adj=0, apparmor_default=True
    )
    assert (config.pid, config.pid_target, config.stop_signal) == (None, "", "")


def test_what_runs() -> None:
    config = translated(
        metadata={"name": "app", "attempt": 3}, command=["sh"], args=["-c", "x"], working_dir="/w", stdin=True,
        stdin_once=True, tty=True, labels={"a": "b"}, annotations={"c": "d"}, log_path="app/3.log",
        image={"image": "sha256:0", "user_specified_image": "nginx"},
        envs=[{"key": "A", "value": b"1"}, {"key": "B", "value": b"\xc3\xa4"}, {"key": "A", "value": b"2"}],
    )  # fmt: skip
    assert (config.attempt, config.command, config.args, config.working_dir) == (3, ("sh",), ("-c", "x"), "/w")
    assert (config.stdin, config.stdin_once, config.tty) == (True, True, True)
    assert (config.labels, config.annotations) == ({"a": "b"}, {"c": "d"})
    assert (config.log_path, config.image_ref) == (Path("app/3.log"), "nginx")
    assert config.env == (("A", "1"), ("B", "ä"), ("A", "2"))  # the runtime lets the last win


def test_what_cannot_run() -> None:
    refused("config.metadata.name", metadata={})
    refused("config.windows", windows={})
    refused("config.envs", envs=[{"key": "A=B"}])
    refused("config.envs", envs=[{"key": "A", "value": b"\0"}])
    refused("config.envs A: expected UTF-8", envs=[{"key": "A", "value": b"\xff"}])
    refused("config.log_path", log_path="../../etc/cron.d/x")


def test_a_log_is_below_its_directory_or_there_is_none() -> None:
    assert translated(log_path="/app.log").log_path == Path("app.log")
    assert translated(replace(SANDBOX, log_directory=Path()), log_path="app.log").log_path == Path()


# ---------------------------------------------------------------------- namespaces


@pytest.mark.parametrize(
    ("sandbox", "mode", "expected"),
    [
        (NamespaceMode.POD, "POD", None),
        (NamespaceMode.POD, "CONTAINER", NamespaceMode.CONTAINER),
        (NamespaceMode.POD, "NODE", NamespaceMode.NODE),
        (NamespaceMode.CONTAINER, "CONTAINER", None),
        (NamespaceMode.NODE, "NODE", None),
        (NamespaceMode.NODE, "POD", None),
    ],
)
def test_pid(sandbox: NamespaceMode, mode: str, expected: NamespaceMode | None) -> None:
    assert pid(sandbox, mode) == (expected, "")


def test_another_containers_pid_namespace() -> None:
    assert pid(NamespaceMode.CONTAINER, "TARGET", target_id="abc") == (None, "abc")
    refused("target_id: expected the id", **secured(namespace_options={"pid": "TARGET"}))
    refused("target_id: for pid TARGET only", **secured(namespace_options={"target_id": "abc"}))


def test_namespaces_that_the_sandbox_has_not() -> None:
    refused("network: NODE, and the sandbox has one", **secured(namespace_options={"network": "NODE"}))
    refused("ipc: NODE, and the sandbox has one", **secured(namespace_options={"ipc": "NODE"}))
    refused("ipc: expected POD or NODE, got CONTAINER", **secured(namespace_options={"ipc": "CONTAINER"}))
    own = replace(SANDBOX, pid=NamespaceMode.CONTAINER)
    refused("pid: POD, and the sandbox", own, **secured(namespace_options={"pid": "POD"}))


def test_a_user_namespace_is_the_sandboxs() -> None:
    own = replace(SANDBOX, user_namespace=IDS)
    translated(own, **secured(namespace_options={"userns_options": MAPPED}))
    refused("userns_options: .* got none", own)
    refused("userns_options: expected the same", **secured(namespace_options={"userns_options": MAPPED}))
    other = {**MAPPED, "uids": [{**RANGE[0], "host_id": 131072}], "gids": [{**RANGE[0], "host_id": 131072}]}
    refused("userns_options: expected the same", own, **secured(namespace_options={"userns_options": other}))
    refused("pid: NODE", own, **secured(namespace_options={"userns_options": MAPPED, "pid": "NODE"}))
    refused("privileged: not in a pod", replace(own, privileged=True),
            **secured(namespace_options={"userns_options": MAPPED}, privileged=True))  # fmt: skip


# ---------------------------------------------------------------------- rights


def test_who() -> None:
    found = security(run_as_user={"value": 0}, run_as_group={"value": 5}, supplemental_groups=[7, 8])
    assert (found.run_as_user, found.run_as_group, found.supplemental_groups) == (0, 5, (7, 8))
    assert found.supplemental_groups_policy == "Merge"
    found = security(run_as_username="www-data", supplemental_groups_policy="Strict")
    assert (found.run_as_username, found.supplemental_groups_policy) == ("www-data", "Strict")


def test_who_cannot_be() -> None:
    refused("run_as_group: the group is specified without the user", **secured(run_as_group={"value": 1}))
    refused("only one of", **secured(run_as_user={"value": 1}, run_as_username="x"))
    refused("supplemental_groups_policy: unknown policy 9", **secured(supplemental_groups_policy=9))


@pytest.mark.parametrize("value", [-1, 1 << 32, (1 << 32) - 1, 1 << 62])
def test_numbers_are_never_cut_down_to_roots(value: int) -> None:
    """CVE-2024-40635."""
    refused("run_as_user: expected 0 to 4294967294", **secured(run_as_user={"value": value}))
    refused("run_as_group", **secured(run_as_user={"value": 1}, run_as_group={"value": value}))
    refused("supplemental_groups", **secured(supplemental_groups=[value]))


def test_rights() -> None:
    capabilities = {
        "add_capabilities": ["NET_ADMIN"],
        "drop_capabilities": ["ALL"],
        "add_ambient_capabilities": ["KILL"],
    }
    found = security(
        capabilities=capabilities,
        readonly_rootfs=True,
        no_new_privs=True,
        masked_paths=["/proc/x"],
        readonly_paths=["/y"],
    )
    assert (found.add_capabilities, found.drop_capabilities) == (("NET_ADMIN",), ("ALL",))
    assert found.ambient_capabilities == ("KILL",)
    assert (found.readonly_rootfs, found.no_new_privileges) == (True, True)
    assert (found.masked_paths, found.readonly_paths) == (("/proc/x",), ("/y",))


def test_privilege_is_the_sandboxs_to_allow() -> None:
    refused("no privileged container allowed in sandbox", **secured(privileged=True))
    assert translated(replace(SANDBOX, privileged=True), **secured(privileged=True)).security.privileged


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"seccomp": {}}, Seccomp("RuntimeDefault")),
        ({"seccomp": {"profile_type": "Unconfined"}}, Seccomp("Unconfined")),
        ({"seccomp": {"profile_type": "Localhost", "localhost_ref": "/p.json"}}, Seccomp("Localhost", Path("/p.json"))),
        ({"seccomp": {}, "seccomp_profile_path": "unconfined"}, Seccomp("RuntimeDefault")),
        ({"seccomp_profile_path": "runtime/default"}, Seccomp("RuntimeDefault")),
        ({"seccomp_profile_path": "docker/default"}, Seccomp("RuntimeDefault")),
        ({"seccomp_profile_path": "unconfined"}, Seccomp("Unconfined")),
        ({"seccomp_profile_path": "localhost//p.json"}, Seccomp("Localhost", Path("/p.json"))),
        ({}, Seccomp("Unconfined")),
    ],
)
def test_seccomp(context: dict[str, Any], expected: Seccomp) -> None:
    assert security(**context).seccomp == expected


@pytest.mark.parametrize(
    "context",
    [
        {"seccomp": {"profile_type": "Localhost"}},
        {"seccomp": {"profile_type": "Localhost", "localhost_ref": "p.json"}},
        {"seccomp": {"profile_type": "Localhost", "localhost_ref": "/a/../p.json"}},
        {"seccomp": {"profile_type": "RuntimeDefault", "localhost_ref": "/p.json"}},
        {"seccomp": {"profile_type": 9}},
        {"seccomp_profile_path": "localhost/"},
        {"seccomp_profile_path": "something"},
    ],
)
def test_profiles_that_are_none(context: dict[str, Any]) -> None:
    refused("seccomp", **secured(**context))


@pytest.mark.parametrize(
    ("context", "name", "default"),
    [
        ({}, "", True),
        ({"apparmor": {}}, "runtime/default", False),
        ({"apparmor": {"profile_type": "Unconfined"}}, "", False),
        ({"apparmor": {"profile_type": "Localhost", "localhost_ref": "mine"}}, "mine", False),
        ({"apparmor_profile": "localhost/mine"}, "mine", False),
        ({"apparmor_profile": "unconfined"}, "", False),
    ],
)
def test_apparmor(context: dict[str, Any], name: str, default: bool) -> None:
    found = security(**context)
    assert (found.apparmor_profile, found.apparmor_default) == (name, default)


def test_an_apparmor_profile_is_one_word() -> None:
    refused("apparmor", **secured(apparmor={"profile_type": "Localhost", "localhost_ref": "a b"}))


# ---------------------------------------------------------------------- mounts, devices, limits


def mount(sandbox: SandboxConfig = SANDBOX, images: dict[str, Image] | None = None, **edit: Any) -> Mount:
    namespaces = {"namespace_options": {"userns_options": MAPPED}} if sandbox.user_namespace else {}
    one = {"container_path": "/data", "host_path": "/srv", **edit}
    return translated(sandbox, images, mounts=[one], **secured(**namespaces)).mounts[0]


def refused_mount(match: str, **edit: Any) -> None:
    refused(match, mounts=[{"container_path": "/data", "host_path": "/srv", **edit}])


def test_mounts() -> None:
    assert mount() == Mount("/data", Path("/srv"), make_host_path=True, mapped=False, current=True)
    assert mount(container_path="data").container_path == "/data"
    assert mount(readonly=True, recursive_read_only=True).recursive_readonly
    assert mount(propagation="PROPAGATION_BIDIRECTIONAL").propagation is Propagation.BIDIRECTIONAL
    assert mount(propagation="PROPAGATION_HOST_TO_CONTAINER").propagation is Propagation.HOST_TO_CONTAINER
    assert mount(mount_options=["noexec", "nosuid"]).options == ("noexec", "nosuid")


def test_mounts_that_are_refused() -> None:
    refused_mount(r"config.mounts\[0\].container_path", container_path="/")
    refused_mount("host_path: expected an absolute path", host_path="srv")
    refused_mount("recursive_read_only: .* conflicts with RW", recursive_read_only=True)
    refused_mount(
        "recursive_read_only: .* private propagation",
        recursive_read_only=True, readonly=True, propagation="PROPAGATION_HOST_TO_CONTAINER",
    )  # fmt: skip
    refused_mount("propagation: unknown", propagation=9)
    refused_mount("mount_options: expected nodev, noexec, nosuid, got 'suid'", mount_options=["suid"])
    refused_mount("uidMappings: expected the mappings of the sandbox", uidMappings=RANGE, gidMappings=RANGE)


def test_a_mount_in_a_user_namespace_is_mapped_as_it_says() -> None:
    own = replace(SANDBOX, user_namespace=IDS)
    assert mount(own, uidMappings=RANGE, gidMappings=RANGE).mapped
    assert not mount(own).mapped


def test_images_are_mounts() -> None:
    image = {"host_path": "", "readonly": True, "image": {"image": "sha256:0"}}
    found = mount(images={"sha256:0": IMAGE}, image_sub_path="lib/x", **image)
    assert (found.layers, found.image, found.readonly, found.sub_path) == (IMAGE.layers, IMAGE.id, True, "lib/x")
    assert not found.make_sub_path
    refused_mount("image: there is no image", **image)
    with pytest.raises(CriError, match="readonly"):
        mount(images={"sha256:0": IMAGE}, **{**image, "readonly": False})
    refused_mount("image_sub_path: expected an image", image_sub_path="x")
    with pytest.raises(CriError, match="image_sub_path: expected a relative path"):
        mount(images={"sha256:0": IMAGE}, image_sub_path="../x", **image)


def test_devices() -> None:
    found = translated(devices=[{"host_path": "/dev/fuse", "permissions": "mrw"}]).devices
    assert found == (Device("/dev/fuse", Path("/dev/fuse"), "mrw"),)
    refused("host_path", devices=[{"host_path": "fuse", "permissions": "r"}])
    refused("permissions: expected letters of rwm", devices=[{"host_path": "/dev/fuse", "permissions": "x"}])


def test_limits() -> None:
    resources = {
        "cpu_period": 100000, "cpu_quota": 5000, "cpu_shares": 51, "memory_limit_in_bytes": 1 << 20,
        "memory_swap_limit_in_bytes": 1 << 21, "oom_score_adj": 999, "cpuset_cpus": "0-1", "cpuset_mems": "0",
        "hugepage_limits": [{"page_size": "2MB", "limit": 0}], "unified": {"memory.high": "1"},
    }  # fmt: skip
    config = translated(linux={"resources": resources})
    assert config.resources == Resources(
        cpu_shares=51, cpu_quota=5000, cpu_period=100000, cpuset_cpus="0-1", cpuset_mems="0", memory_limit=1 << 20,
        memory_swap_limit=1 << 21, hugepage_limits={"2MB": 0}, unified={"memory.high": "1"},
    )  # fmt: skip
    assert config.security.oom_score_adj == 999
    refused("oom_score_adj: expected -1000 to 1000", linux={"resources": {"oom_score_adj": 2000}})
    refused("cpu_period: expected 0 or more", linux={"resources": {"cpu_period": -1}})


def test_every_signal_has_a_name_that_the_runtime_knows() -> None:
    names = {name: stop_signal(number) for name, number in cri.Signal.items()}
    assert names["SIGNAL_RUNTIME_DEFAULT"] == ""
    assert names["SIGNAL_SIGRTMINPLUS3"] == "SIGRTMIN+3"
    assert names["SIGNAL_SIGRTMAXMINUS14"] == "SIGRTMAX-14"
    assert all(parse_signal(name) for name in names.values() if name)
    refused("unknown signal 999", stop_signal=999)
