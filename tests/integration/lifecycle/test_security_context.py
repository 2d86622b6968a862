"""The security context of pods and containers, field by field, from inside and from the host."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pyrt.launch.features import probe

from .conftest import FOREVER, container, running

CAPABILITIES = {"CHOWN": 0, "KILL": 5, "NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "SYS_ADMIN": 21, "SYS_TIME": 25}
DEFAULT = 0xA80425FB
"""Fourteen of them: Docker's and containerd's."""


def lines(text: str) -> dict[str, str]:
    """``Name:<tab>value`` lines."""
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def ends(daemon, name: str) -> str:
    """What a pod printed by its end."""
    daemon.phase(name, "Succeeded", "Failed")
    return daemon.logs(name)


def host_pid(daemon, name: str) -> int:
    """The host's number of the first process of a pod with one container."""
    uid = daemon.get(name)["metadata"]["uid"]
    for entry in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        try:
            inside = f"pod{uid}/" in Path(f"/proc/{entry}/cgroup").read_text()
            line = Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue
        if inside and not line.startswith(b"pyrt-"):
            return int(entry)
    raise AssertionError(name)


def bits(*names: str) -> int:
    return sum(1 << CAPABILITIES[each] for each in names)


@pytest.mark.core
def test_users_and_groups(daemon, name, pod):
    """From inside, from the host, and in the status."""
    daemon.apply(
        pod(
            FOREVER,
            container={"securityContext": {"runAsUser": 1000}},
            securityContext={"runAsUser": 5, "runAsGroup": 3000, "fsGroup": 4000, "supplementalGroups": [5000]},
        )
    )
    daemon.wait(f"pod/{name}", "condition=Ready")
    assert daemon.pyrt("exec", name, "--", "id", "-u").out == "1000\n"
    found = lines(Path(f"/proc/{host_pid(daemon, name)}/status").read_text())
    assert found["Uid"].split() == ["1000"] * 4
    assert found["Gid"].split() == ["3000"] * 4
    merged = ["2000", "3000", "4000", "5000"]  # 2000: the image's /etc/group says so of user 1000
    assert found["Groups"].split() == merged
    user = container(daemon.get(name), "app")["user"]["linux"]
    assert user == {"uid": 1000, "gid": 3000, "supplementalGroups": [int(group) for group in merged]}


def test_groups_of_the_image_are_left_out_by_a_strict_policy(daemon, name, pod):
    context = {"runAsUser": 1000, "supplementalGroups": [5000], "supplementalGroupsPolicy": "Strict"}
    daemon.apply(pod("grep Groups /proc/self/status", securityContext=context))
    assert ends(daemon, name).split() == ["Groups:", "1000", "5000"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, DEFAULT),
        ({"add": ["NET_ADMIN", "CAP_SYS_TIME"]}, DEFAULT | bits("NET_ADMIN", "SYS_TIME")),
        ({"drop": ["CHOWN", "CAP_KILL"]}, DEFAULT & ~bits("CHOWN", "KILL")),
        ({"drop": ["ALL"]}, 0),
        ({"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, bits("NET_BIND_SERVICE")),
        ({"add": ["ALL"]}, None),
        ({"add": ["ALL"], "drop": ["SYS_ADMIN"]}, None),
    ],
    ids=["default", "add", "drop", "drop-all", "one", "all", "all-but-one"],
)
def test_capabilities(daemon, name, pod, change, expected):
    daemon.apply(pod("cat /proc/self/status", container={"securityContext": {"capabilities": change}}))
    found = lines(ends(daemon, name))
    if expected is None:
        expected = probe().capabilities & ~(bits("SYS_ADMIN") if "drop" in change else 0)
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(found[kind], 16) == expected, kind
    assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0


def test_privileged(daemon, name, pod):
    script = """
        grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status
        ls /dev/kmsg; echo 1 > /proc/sys/vm/drop_caches && echo wrote
        [ -s /proc/kcore ] || [ -r /proc/keys ] && echo unmasked
    """
    daemon.apply(pod(script, container={"securityContext": {"privileged": True}}))
    found = ends(daemon, name)
    assert int(lines(found)["CapEff"], 16) == probe().capabilities
    assert lines(found)["Seccomp"] == "0"
    assert {"/dev/kmsg", "wrote", "unmasked"} <= set(found.split())


def test_unprivileged_sees_nothing_of_that(daemon, name, pod):
    script = "ls /dev/kmsg; echo 1 > /proc/sys/vm/drop_caches; touch /sys/x; wc -c < /proc/keys; cat /proc/self/status"
    daemon.apply(pod(f"exec 2>&1; {script}"))
    found = ends(daemon, name)
    assert "/dev/kmsg: No such file" in found
    assert found.count("Read-only file system") == 2
    assert lines(found)["Seccomp"] == "2"


@pytest.mark.parametrize(("allowed", "flag"), [(False, "1"), (True, "0"), (None, "0")])
def test_privilege_escalation(daemon, name, pod, allowed, flag):
    context = {} if allowed is None else {"allowPrivilegeEscalation": allowed}
    daemon.apply(pod("cat /proc/self/status", container={"securityContext": context}))
    assert lines(ends(daemon, name))["NoNewPrivs"] == flag


def test_a_read_only_root(daemon, name, pod):
    script = "exec 2>&1; touch /x; touch /etc/hosts; touch /data/x && echo wrote; touch /dev/shm/x && echo shm"
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    daemon.apply(
        pod(
            script,
            container={"securityContext": {"readOnlyRootFilesystem": True}, **mounts},
            volumes=[{"name": "data", "emptyDir": {}}],
        )
    )
    assert ends(daemon, name).splitlines() == [
        "touch: /x: Read-only file system",
        "touch: /etc/hosts: Read-only file system",
        "wrote",
        "shm",
    ]


def test_seccomp_profiles(layout, name, pod):
    """RuntimeDefault is the default; Unconfined; a local file; and only below the directory of profiles."""
    with running(layout, "seccomp") as daemon:
        root = daemon.config.runtime.seccomp_root
        assert not root.exists() or root.is_dir()
        names = {"default": None, "unconfined": {"type": "Unconfined"}, "runtime": {"type": "RuntimeDefault"}}
        for each, profile in names.items():
            manifest = pod("grep Seccomp: /proc/self/status")
            manifest["metadata"]["name"] = each
            if profile is not None:
                manifest["spec"]["securityContext"] = {"seccompProfile": profile}
            daemon.apply(manifest)
        assert [ends(daemon, each).split()[1] for each in names] == ["2", "0", "2"]
        for path in ("../escape.json", "/absolute.json"):
            profile = {"type": "Localhost", "localhostProfile": path}
            refused = daemon.apply(pod("true", securityContext={"seccompProfile": profile}), check=False)
            assert "localhostProfile" in refused.err
        missing = {"type": "Localhost", "localhostProfile": "no/such.json"}
        daemon.apply(pod("true", securityContext={"seccompProfile": missing}))
        daemon.told(name, "Failed", "no/such.json")


def test_a_local_seccomp_profile(daemon, name, pod):
    root = daemon.config.runtime.seccomp_root
    made = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    file = root / f"{name}.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}
    file.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    try:
        profile = {"type": "Localhost", "localhostProfile": file.name}
        daemon.apply(pod("mkdir /tmp/x 2>&1", container={"securityContext": {"seccompProfile": profile}}))
        assert "No space left on device" in ends(daemon, name)
    finally:
        file.unlink()
        if made:
            root.rmdir()


@pytest.mark.skipif(probe().apparmor, reason="this kernel has AppArmor")
@pytest.mark.parametrize("where", ["pod", "container"])
@pytest.mark.parametrize("kind", ["RuntimeDefault", "Localhost"])
def test_apparmor_where_there_is_none(daemon, name, pod, where, kind):
    """As the kubelet rejects it (pkg/kubelet/lifecycle, reason AppArmor)."""
    profile = {"type": kind, **({"localhostProfile": "mine"} if kind == "Localhost" else {})}
    context = {"securityContext": {"appArmorProfile": profile}}
    daemon.apply(pod("true", container=context) if where == "container" else pod("true", **context))
    status = daemon.phase(name, "Failed")["status"]
    assert status["reason"] == "AppArmor"
    assert status["message"] == "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"


def test_apparmor_unconfined_needs_none(daemon, name, pod):
    daemon.apply(pod("true", securityContext={"appArmorProfile": {"type": "Unconfined"}}))
    daemon.phase(name, "Succeeded")


def test_selinux_options_are_refused(daemon, pod):
    refused = daemon.apply(pod("true", securityContext={"seLinuxOptions": {"level": "s0:c1,c2"}}), check=False)
    assert "spec.securityContext.seLinuxOptions: Forbidden: SELinux labels are not supported" in refused.err


def test_sysctls(daemon, name, pod):
    safe = [
        {"name": "net.ipv4.ip_local_port_range", "value": "40000 50000"},
        {"name": "kernel.shm_rmid_forced", "value": "1"},
    ]
    before = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    daemon.apply(
        pod(
            "cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced",
            securityContext={"sysctls": safe},
        )
    )
    assert ends(daemon, name).split() == ["40000", "50000", "1"]
    assert Path("/proc/sys/net/ipv4/ip_local_port_range").read_text() == before


def test_an_unsafe_sysctl(daemon, name, pod):
    daemon.apply(pod("true", securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "10"}]}))
    status = daemon.phase(name, "Failed")["status"]
    assert (status["reason"], status["message"]) == (
        "SysctlForbidden",
        'Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted',
    )


def test_another_operating_system(daemon, name, pod):
    daemon.apply(pod("true", os={"name": "windows"}))
    status = daemon.phase(name, "Failed")["status"]
    assert status["reason"] == "PodOSNotSupported"
    assert status["message"] == "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS"
    wrong = daemon.apply(pod("true", os={"name": "windows"}, securityContext={"runAsUser": 1}), check=False)
    assert "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod" in wrong.err


def test_run_as_non_root(daemon, name, pod):
    daemon.apply(pod("true", securityContext={"runAsNonRoot": True}))
    waiting = daemon.state(name, "app", "waiting", "CreateContainerConfigError")["state"]["waiting"]
    uid = daemon.get(name)["metadata"]["uid"]
    assert waiting["message"] == (
        f'container has runAsNonRoot and image will run as root (pod: "{name}_default({uid})", container: app)'
    )


@pytest.mark.parametrize("path", ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"])
def test_a_directory_in_the_place_of_a_file_that_every_pod_has(daemon, name, pod, path):
    """The image has none: the volume goes there, as a directory."""
    mounts = {"volumeMounts": [{"name": "data", "mountPath": path}]}
    daemon.apply(pod(f"touch {path}/x && ls {path}", container=mounts, volumes=[{"name": "data", "emptyDir": {}}]))
    assert ends(daemon, name) == "x\n"
