"""The plans of representative containers, word for word. PYRT_UPDATE_SNAPSHOTS=1 writes them anew; read the diff."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as edit

from pyrt import _native, spec
from pyrt.launch import (
    CONSOLE,
    TARGET,
    CgroupPlace,
    ContainerContext,
    DirectoryRoot,
    ExecContext,
    Features,
    MountSource,
    OverlayRoot,
    Plan,
    SandboxContext,
    Tmpfs,
    UserNamespace,
    compile_container,
    compile_exec,
    compile_sandbox,
)
from pyrt.launch import capabilities as caps
from pyrt.launch import constants as k
from pyrt.launch.defaults import MASKED_PATHS, READONLY_PATHS, default_mounts
from pyrt.launch.seccomp_default import runtime_default

PLANS = Path(__file__).parent / "plans"

V1 = CgroupPlace(
    tasks=("/sys/fs/cgroup/cpu,cpuacct/pyrt/pod1/c1/tasks", "/sys/fs/cgroup/memory/pyrt/pod1/c1/tasks"),
    mount_points=("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"),
)
V2 = CgroupPlace(directory="/sys/fs/cgroup/pyrt/pod1/c1")
ROOT = OverlayRoot(
    ("/var/lib/pyrt/layers/a", "/var/lib/pyrt/layers/b"), "/run/c1/upper", "/run/c1/work", "/run/c1/root"
)
CONTEXT = ContainerContext(ROOT, V2)


def sets(*names: str) -> spec.LinuxCapabilities:
    return spec.LinuxCapabilities(bounding=names, effective=names, permitted=names)


def config(**linux: object) -> spec.Config:
    kinds = ("pid", "mount", "cgroup")
    return spec.Config(
        root=spec.Root(),
        mounts=default_mounts(shm="/run/pyrt/pods/p1/shm"),
        process=spec.Process(
            args=("nginx", "-g", "daemon off;"),
            env=("PATH=/bin",),
            capabilities=sets(*caps.DEFAULT),
            oom_score_adj=1000,
        ),
        linux=spec.Linux(
            namespaces=tuple(spec.LinuxNamespace(type=kind) for kind in kinds),
            masked_paths=MASKED_PATHS,
            readonly_paths=READONLY_PATHS,
            **linux,  # type: ignore[arg-type]
        ),
    )


def with_process(base: spec.Config, **changes: object) -> spec.Config:
    assert base.process is not None
    return edit(base, process=edit(base.process, **changes))


def minimal() -> Plan:
    only_mount = (spec.LinuxNamespace(type="mount"),)
    process = spec.Process(args=("/bin/true",))
    return compile_container(
        spec.Config(process=process, linux=spec.Linux(namespaces=only_mount)),
        ContainerContext(DirectoryRoot("/bundle/rootfs")),
    )


def kubernetes_v2() -> Plan:
    return compile_container(config(), CONTEXT)


def kubernetes_v1() -> Plan:
    return compile_container(config(), replace(CONTEXT, cgroup=V1))


def seccomp_default() -> Plan:
    return compile_container(config(seccomp=runtime_default(caps.DEFAULT, "x86_64")), CONTEXT)


def seccomp_with_no_new_privs() -> Plan:
    base = config(seccomp=runtime_default(caps.DEFAULT, "x86_64"))
    return compile_container(with_process(base, no_new_privileges=True), CONTEXT)


def privileged() -> Plan:
    base = config(devices=(spec.LinuxDevice(path="/dev/kvm", type="c", major=10, minor=232, file_mode=0o660, gid=104),))
    assert base.linux is not None
    base = edit(
        base, linux=edit(base.linux, masked_paths=(), readonly_paths=()), mounts=default_mounts(privileged=True)
    )  # A machine that has given CAP_SYS_RESOURCE away.
    features = Features(capabilities=caps.ALL & ~(1 << caps.NUMBERS["CAP_SYS_RESOURCE"]))
    return compile_container(with_process(base, capabilities=sets(*caps.NAMES)), replace(CONTEXT, features=features))


def tty() -> Plan:
    return compile_container(with_process(config(), terminal=True, console_size=spec.Box(height=24, width=80)), CONTEXT)


def readonly_root() -> Plan:
    return compile_container(with_process(edit(config(), root=spec.Root(readonly=True)), cwd="/srv/app"), CONTEXT)


def user() -> Plan:
    someone = spec.User(uid=1000, gid=1000, additional_gids=(2000, 3000), umask=0o077)
    limits = (spec.PosixRlimit(type="RLIMIT_NOFILE", soft=1024, hard=4096),)
    return compile_container(with_process(config(), user=someone, rlimits=limits), CONTEXT)


def volumes() -> Plan:
    base = config()
    mounts = (
        *base.mounts,
        spec.Mount(destination="/cache", type="bind", source="/pods/u/cache", options=("rbind", "rprivate")),
        spec.Mount(destination="/etc/conf", type="bind", source="/host/conf", options=("rbind", "rro", "rprivate")),
        spec.Mount(destination="/data", type="bind", source="/host/data", options=("rbind", "ro", "rslave", "noatime")),
        spec.Mount(destination="/shared", type="bind", source="/host/shared", options=("rbind", "rshared")),
        spec.Mount(destination="/scratch", type="tmpfs", source="tmpfs", options=("nosuid", "size=1m")),
    )
    sources = {
        "/cache": MountSource(subpath="web/1", make_subpath=True, note="emptyDir cache"),
        "/shared": MountSource(bidirectional=True, note="hostPath shared"),
    }
    return compile_container(edit(base, mounts=mounts), replace(CONTEXT, sources=sources))


def shared_pid() -> Plan:
    return compile_container(config(), replace(CONTEXT, join_pid=TARGET))


def old_kernel() -> Plan:
    return compile_container(
        config(), replace(CONTEXT, features=Features(overlay_append=False, overlay_volatile=False))
    )


def oci_namespaces() -> Plan:
    base = config(rootfs_propagation="rslave", sysctl={"net.ipv4.ip_forward": "1"})
    assert base.linux is not None
    kinds = (
        spec.LinuxNamespace(type="mount"),
        spec.LinuxNamespace(type="uts"),
        spec.LinuxNamespace(type="ipc"),
        spec.LinuxNamespace(type="network", path="/run/netns/x"),
        spec.LinuxNamespace(type="pid", path="/proc/1/ns/pid"),
    )
    return compile_container(
        edit(base, hostname="box", domainname="lan", linux=edit(base.linux, namespaces=kinds)),
        replace(CONTEXT, wait=True),
    )


def executed() -> Plan:
    base = config(seccomp=runtime_default(caps.DEFAULT, "x86_64"))
    assert base.linux is not None
    process = spec.Process(args=("sh",), env=("PATH=/bin",), terminal=True, capabilities=sets(*caps.DEFAULT))
    joined = k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWCGROUP
    return compile_exec(process, base.linux, ExecContext(joined, TARGET, V1))


def sandbox() -> Plan:
    return compile_sandbox(
        SandboxContext(
            k.CLONE_NEWNET | k.CLONE_NEWIPC | k.CLONE_NEWUTS,
            V1,
            hostname="web-0",
            sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
            pod_messages=(b"\0" * 16,),
            host_messages=(b"\0" * 16,),
            message_notes=("ip link add eth0 type veth", "ip link set pyrt1 up"),
            run_directory="/run/pyrt/pods/p1",
            tmpfs=(Tmpfs("/run/pyrt/pods/p1/shm", 1 << 26), Tmpfs("/v/cache", note="emptyDir cache")),
            oom_score_adj=-998,
        )
    )


IDS = UserNamespace(196608)


def user_namespace() -> Plan:
    base = volumes_spec()
    sources = {"/data": MountSource(note="emptyDir data")}
    return compile_container(
        edit(base, root=spec.Root(readonly=True)), replace(CONTEXT, cgroup=V2, user_namespace=IDS, sources=sources)
    )


def volumes_spec() -> spec.Config:
    base = with_process(config(), terminal=True, cwd="/work")
    mount = spec.Mount(destination="/data", type="bind", source="/v/data", options=("rbind", "rprivate"))
    return edit(base, mounts=(*base.mounts, mount))


def user_namespace_shared_pid_v1() -> Plan:
    return compile_container(config(), replace(CONTEXT, cgroup=V1, user_namespace=IDS, join_pid=TARGET))


def user_namespace_executed() -> Plan:
    process = spec.Process(args=("sh",), terminal=True, user=spec.User(uid=7), oom_score_adj=1000)
    joined = k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWCGROUP
    return compile_exec(process, spec.Linux(), ExecContext(joined, TARGET, V1, user_namespace=IDS))


def user_namespace_sandbox() -> Plan:
    owned = k.CLONE_NEWNET | k.CLONE_NEWIPC | k.CLONE_NEWUTS
    shm = Tmpfs("/run/pyrt/pods/p1/shm", 1 << 26, owner=IDS.first)
    return compile_sandbox(SandboxContext(owned, V2, hostname="web-0", tmpfs=(shm,), user_namespace=IDS))


def hidden_executed() -> Plan:
    process = spec.Process(args=("sh",), terminal=True, capabilities=sets("CAP_SYS_PTRACE"), oom_score_adj=5)
    joined = k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWCGROUP
    linux = spec.Linux(seccomp=runtime_default(("CAP_SYS_PTRACE",), "x86_64"))
    return compile_exec(process, linux, ExecContext(joined, TARGET, V2, hidden=True))


def hidden_shared_pid() -> Plan:
    return compile_container(config(), replace(CONTEXT, join_pid=TARGET, hidden=True, proc="/run/pyrt/pods/p1/proc"))


def hidden_guest() -> Plan:
    base = config(seccomp=runtime_default(caps.DEFAULT, "x86_64"))
    return compile_container(with_process(base, no_new_privileges=True), replace(CONTEXT, join_pid=TARGET, hidden=True))


CASES: list[Callable[[], Plan]] = [
    minimal,
    kubernetes_v2,
    kubernetes_v1,
    seccomp_default,
    seccomp_with_no_new_privs,
    privileged,
    tty,
    readonly_root,
    user,
    volumes,
    shared_pid,
    old_kernel,
    oci_namespaces,
    executed,
    sandbox,
    user_namespace,
    user_namespace_shared_pid_v1,
    user_namespace_executed,
    user_namespace_sandbox,
    hidden_executed,
    hidden_shared_pid,
    hidden_guest,
]


def text_of(plan: Plan) -> str:
    lines = plan.describe()
    lines += [f"descriptor {i}: {source.describe()}" for i, source in enumerate(plan.fds)]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_plan(case):
    plan = case()
    path = PLANS / f"{case.__name__}.txt"
    # How many instructions libseccomp makes of a profile is its own affair.
    text = re.sub(r"\(\d+ instructions\)", "(BPF)", text_of(plan))
    if os.environ.get("PYRT_UPDATE_SNAPSHOTS"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_player_understands_it(case):
    plan = case()
    assert _native.check_plan(plan.encode()) == len(plan.operations)


def test_console_and_target_slots():
    assert tty().console_slot is not None
    assert tty().fds[tty().console_slot] == CONSOLE
    plan = executed()
    assert plan.pidns_fd == plan.target_slot == 0
    assert plan.console_slot == 1
    assert shared_pid().pidns_fd == shared_pid().target_slot


def test_compiling_again_gives_the_same_bytes():
    assert kubernetes_v2().encode() == kubernetes_v2().encode()
