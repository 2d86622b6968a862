"""A plan that is made of another container's is, byte for byte, the one that the container would have got anew."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pyrt.ids import ContainerId, Digest, ImageId, SandboxId
from pyrt.images.types import Image, ImageConfig
from pyrt.launch.container import compile_container
from pyrt.launch.context import CgroupPlace
from pyrt.launch.features import Features
from pyrt.launch.plan import Plan
from pyrt.runtime.config import (
    ContainerConfig,
    ContainerSecurity,
    Mount,
    NamespaceMode,
    PodMetadata,
    SandboxConfig,
    Seccomp,
)
from pyrt.runtime.container_create import container_context
from pyrt.runtime.container_plans import ContainerPlan, ContainerPlans
from pyrt.runtime.container_spec import HostFacts, container_config
from pyrt.runtime.container_user import resolve_user
from pyrt.runtime.paths import RuntimePaths
from pyrt.runtime.program import die_with_pod
from pyrt.runtime.records import ContainerRecord, SandboxRecord
from pyrt.runtime.sandbox_plan import sandbox_places

PATHS = RuntimePaths("/lib/containers", "/lib/trash", "/lib/spare", "/lib/mountpoints", "/run/pods", "/run/next")
IMAGE = Image(
    id=ImageId("sha256:1"),
    manifest_digest=Digest("sha256:2"),
    repo_tags=(),
    repo_digests=(),
    size=1,
    config=ImageConfig(cmd=("sh",), env=("PATH=/bin",)),
    layers=(Path("/layers/a"),),
)
UIDS = ("a38f4e30-32a4-4fe0-b6ea-78ebfc3a15ee", "7d230c63-5e8e-4283-ba24-06f8dff6ec91")


def pod(number: int, **more: object) -> SandboxRecord:
    uid = UIDS[number]
    config = SandboxConfig(
        metadata=PodMetadata(f"web-{'x' * number}", "default", uid),
        hostname=f"web-{'x' * number}",
        log_directory=Path("/logs"),
        cgroup_parent=f"besteffort/pod{uid}",
    )
    return SandboxRecord(id=SandboxId(str(number) * 64), config=replace(config, **more), created_at=0)  # type: ignore[arg-type]


def container(sandbox: SandboxRecord, **more: object) -> ContainerRecord:
    uid = sandbox.config.metadata.uid
    config = ContainerConfig(
        name="app",
        attempt=0,
        image=IMAGE,
        image_ref="busybox",
        log_path=Path("app/0.log"),
        env=(("POD", uid),),
        mounts=(Mount("/dev/termination-log", Path(f"/lib/pods/{uid}/app.0.message")),),
    )
    number = "ef"[int(sandbox.id[0])]
    return ContainerRecord(
        id=ContainerId(number * 64),
        sandbox_id=sandbox.id,
        config=replace(config, **more),  # type: ignore[arg-type]
        created_at=0,
    )


def compiled(sandbox: SandboxRecord, record: ContainerRecord, *, v2: bool) -> Plan:
    path = f"/sys/fs/cgroup/{sandbox.config.cgroup_parent}/{record.id}"
    place = CgroupPlace(directory=path) if v2 else CgroupPlace((f"{path}/tasks",), None, ("/sys/fs/cgroup",))
    places = sandbox_places(PATHS, sandbox.id)
    spec = container_config(sandbox.config, record.config, places, resolve_user(record.config), HostFacts())
    context = container_context(record.config, PATHS, record.id, place, Features(), joins_pid=False)
    return die_with_pod(compile_container(spec, context))


def kept(sandbox: SandboxRecord, record: ContainerRecord, *, v2: bool = False) -> ContainerPlans:
    plans = ContainerPlans(default_in_file=False)
    key = plans.key(sandbox, record.config)
    plans.keep(key, compiled(sandbox, record, v2=v2), sandbox, record, "/", None)
    return plans


def made(plans: ContainerPlans, sandbox: SandboxRecord, record: ContainerRecord) -> ContainerPlan | None:
    model = plans.find(plans.key(sandbox, record.config))
    return None if model is None else model.of(sandbox, record, lambda: compiled(sandbox, record, v2=False))


@pytest.mark.parametrize("user", ["", "1000:1000"])
def test_the_same_bytes_as_its_own_plan(user: str) -> None:
    image = replace(IMAGE, config=replace(IMAGE.config, user=user))
    first, second = pod(0), pod(1)
    plans = kept(first, container(first, image=image))
    other = container(second, image=image)
    plan = made(plans, second, other)
    assert plan is not None
    assert plan.data == compiled(second, other, v2=False).encode()


def test_descriptors_are_its_own() -> None:
    first, second = pod(0), pod(1)
    plans = kept(first, container(first), v2=True)
    other = container(second)
    plan = made(plans, second, other)
    assert plan is not None
    assert plan.fds == compiled(second, other, v2=True).fds
    with ExitStack() as stack, pytest.raises(Exception, match=other.id):
        plan.encoded(stack)  # its cgroup is not there


def test_a_failure_is_told_in_its_own_words() -> None:
    first, second = pod(0), pod(1)
    plans = kept(first, container(first))
    other = container(second)
    plan = made(plans, second, other)
    assert plan is not None
    words = [str(plan.failure(index, 2)) for index in range(len(compiled(second, other, v2=False).operations))]
    assert any(other.id in text for text in words)
    assert not any("e" * 64 in text for text in words)


@pytest.mark.parametrize(
    "more",
    [
        {"command": ("sleep", "1")},
        {"env": (("POD", UIDS[0]),)},  # the first one's uid, but not as its own
        {"security": ContainerSecurity(run_as_user=1)},
        {"tty": True},
        {"mounts": ()},
    ],
)
def test_others_are_not_alike(more: dict[str, object]) -> None:
    first, second = pod(0), pod(1)
    assert made(kept(first, container(first)), second, container(second, **more)) is None


@pytest.mark.parametrize(
    "more",
    [
        {"security": ContainerSecurity(privileged=True)},
        {"security": ContainerSecurity(seccomp=Seccomp("Localhost", Path("a.json")))},
        {"pid_target": "0" * 64},
        {"pid": NamespaceMode.POD},
    ],
)
def test_what_else_decides_is_looked_at_each_time(more: dict[str, object]) -> None:
    sandbox = pod(0)
    assert ContainerPlans(default_in_file=False).key(sandbox, container(sandbox, **more).config) is None


def test_a_profile_of_the_operators_is_read_each_time() -> None:
    sandbox = pod(0)
    assert ContainerPlans(default_in_file=True).key(sandbox, container(sandbox).config) is None


def test_a_uid_that_may_be_anywhere_by_chance() -> None:
    sandbox = pod(0, metadata=PodMetadata("web", "default", "1"))
    assert ContainerPlans(default_in_file=False).key(sandbox, container(sandbox).config) is None
