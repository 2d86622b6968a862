"""What a kubelet puts into a container's configuration, seen from inside the container."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import grpc
import pytest

from pyrt.cri import runtime_pb2 as cri
from tests.integration.cri.conftest import FOREVER

KUBELETS = {
    "resources": {
        "cpu_period": 100000, "cpu_quota": 50000, "cpu_shares": 102, "memory_limit_in_bytes": 64 << 20,
        "oom_score_adj": 999,
        "hugepage_limits": [{"page_size": "2MB", "limit": 0}, {"page_size": "1GB", "limit": 0}],
    },
    "security_context": {
        "namespace_options": {"pid": "CONTAINER"},
        "run_as_user": {"value": 1000}, "run_as_group": {"value": 2000}, "supplemental_groups": [3000],
        "masked_paths": ["/proc/acpi", "/proc/kcore", "/proc/keys"], "readonly_paths": ["/proc/sys"],
        "seccomp": {"profile_type": "RuntimeDefault"}, "no_new_privs": True,
    },
}  # fmt: skip
"""What a Pod with limits and a securityContext becomes."""

RANGE = [cri.IDMapping(container_id=0, host_id=3 * 65536, length=65536)]
OWN_IDS = cri.NamespaceOption(userns_options=cri.UserNamespace(mode=cri.POD, uids=RANGE, gids=RANGE))


def inside(pod, script, **fields):
    """What a shell prints in a container that has these fields."""
    app = pod.start(f"app{uuid.uuid4().hex[:6]}", "sh", "-c", script, **fields)
    status = pod.exited(app)
    assert status.exit_code == 0, (status, pod.log(app))
    return pod.log(app)


def secured(**context):
    return cri.LinuxContainerConfig(security_context=cri.LinuxContainerSecurityContext(**context))


@pytest.mark.core
def test_a_container_as_a_kubelet_asks_for_it(node):
    sandbox = cri.LinuxPodSandboxConfig(
        security_context=cri.LinuxSandboxSecurityContext(namespace_options=cri.NamespaceOption(pid=cri.CONTAINER)),
    )
    pod = node.pod(linux=sandbox)
    script = """
        id -u; id -g; id -G; cat /proc/self/oom_score_adj; grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status
        cut -d' ' -f2 /proc/mounts | grep ^/proc/; echo $$
    """
    out = inside(pod, script, linux=cri.LinuxContainerConfig(**KUBELETS)).split()
    assert out[:6] == ["1000", "2000", "2000", "3000", "999", "NoNewPrivs:"]
    assert out[6:9] == ["1", "Seccomp:", "2"]
    assert set(out[9:-1]) <= {"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/sys"}
    assert "/proc/sys" in out[9:-1]  # of the others, what this kernel has
    assert out[-1] == "1"


def test_nothing_is_hidden_and_nothing_filtered_unless_it_is_asked_for(pod):
    out = inside(pod, "cut -d' ' -f2 /proc/mounts | grep ^/proc/; grep ^Seccomp: /proc/self/status")
    assert out.split() == ["Seccomp:", "0"]


@pytest.mark.parametrize(
    "context",
    [{"seccomp": {"profile_type": "RuntimeDefault"}}, {"seccomp_profile_path": "runtime/default"}],
    ids=["new", "old"],
)
def test_the_older_field_is_as_good(pod, context):
    assert inside(pod, "grep ^Seccomp: /proc/self/status", linux=secured(**context)).split()[1] == "2"


def test_a_cgroup_of_the_kubelets(node):
    """It is there before the sandbox, with the limits of the pod, and stays."""
    name = f"/kube{os.getpid()}"
    pod = node.pod(linux=cri.LinuxPodSandboxConfig(cgroup_parent=f"{name}/burstable/podx"))
    app = pod.start("app", *FOREVER, linux=cri.LinuxContainerConfig(**KUBELETS))
    pid = json.loads(node.client.ContainerStatus(container_id=app, verbose=True).info["info"])["pid"]
    assert f"{name}/burstable/podx/{app}" in Path(f"/proc/{pid}/cgroup").read_text()
    node.client.StopPodSandbox(pod_sandbox_id=pod.id)
    node.client.RemovePodSandbox(pod_sandbox_id=pod.id)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup" in line]
    node.until(lambda: not any(Path(f"{mount}{name}").exists() for mount in mounts))


def test_a_pod_with_ids_of_its_own(node, tmp_path):
    (tmp_path / "file").touch()
    tmp_path.chmod(0o755)
    pod = node.pod(
        linux=cri.LinuxPodSandboxConfig(
            security_context=cri.LinuxSandboxSecurityContext(namespace_options=OWN_IDS),
        )
    )
    mount = {"host_path": str(tmp_path), "uidMappings": RANGE, "gidMappings": RANGE}
    mounts = [cri.Mount(container_path="/mapped", **mount), cri.Mount(container_path="/plain", host_path=str(tmp_path))]
    out = inside(
        pod, "cat /proc/self/uid_map; stat -c %u /mapped/file /plain/file; echo x > /mapped/new",
        mounts=mounts, linux=secured(namespace_options=OWN_IDS),
    )  # fmt: skip
    assert out.split() == ["0", str(3 * 65536), "65536", "0", "65534"]
    assert (tmp_path / "new").stat().st_uid == 0
    code, details = node.client.refused(
        "CreateContainer",
        pod_sandbox_id=pod.id,
        config=cri.ContainerConfig(metadata={"name": "x"}, image={"image": pod_image(pod)}),
    )
    assert (code, "userns_options" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def pod_image(pod):
    (image,) = pod.client.ListImages().images
    return image.id


def test_cdi_devices(pod, tmp_path):
    (tmp_path / "lib.so").write_text("library")
    kind = f"pyrt-test.example/d{os.getpid()}"
    edits = {
        "env": ["DEVICE=ready"],
        "deviceNodes": [{"path": "/dev/mine", "hostPath": "/dev/zero", "permissions": "r"}],
        "mounts": [{"hostPath": str(tmp_path), "containerPath": "/opt/mine", "options": ["ro", "bind"]}],
        "additionalGids": [44],
    }
    data = {"cdiVersion": "0.7.0", "kind": kind, "devices": [{"name": "all", "containerEdits": edits}]}
    directory = Path("/var/run/cdi")
    existed = directory.exists()
    directory.mkdir(exist_ok=True)
    file = directory / f"pyrt-test-{os.getpid()}.json"
    try:
        file.write_text(json.dumps(data))
        script = "echo $DEVICE; id -G; cat /opt/mine/lib.so; touch /opt/mine/x 2>/dev/null; head -c2 /dev/mine | wc -c"
        out = inside(pod, script, CDI_devices=[cri.CDIDevice(name=f"{kind}=all")])
    finally:
        file.unlink()
        if not existed:
            directory.rmdir()
    assert out.split() == ["ready", "0", "44", "library2"]
    assert [path.name for path in tmp_path.iterdir()] == ["lib.so"]
    config = cri.ContainerConfig(
        metadata={"name": "x"}, CDI_devices=[{"name": f"{kind}=all"}], image={"image": pod_image(pod)}
    )
    _, details = pod.client.refused("CreateContainer", pod_sandbox_id=pod.id, config=config)
    assert f"CDI device {kind}=all: unresolvable" in details


def test_an_image_as_a_volume(pod):
    mount = cri.Mount(container_path="/image", image=cri.ImageSpec(image=pod_image(pod)), readonly=True)
    out = inside(pod, "ls /image/bin/busybox; touch /image/x 2>&1 || true", mounts=[mount])
    assert out.splitlines()[0] == "/image/bin/busybox"
    assert "Read-only" in out


def test_devices_of_the_host(pod):
    devices = [cri.Device(host_path="/dev/loop-control", container_path="/dev/mine", permissions="r")]
    script = (
        "stat -c %t:%T /dev/mine; (exec 3< /dev/mine) && echo read; (exec 3> /dev/mine) 2>/dev/null || echo no write"
    )
    assert inside(pod, script, devices=devices).splitlines() == ["a:ed", "read", "no write"]


@pytest.mark.parametrize(
    ("linux", "words"),
    [
        (secured(privileged=True), "no privileged container allowed in sandbox"),
        (secured(run_as_group={"value": 1}), "without the user"),
        (secured(apparmor={"profile_type": "Localhost", "localhost_ref": "mine"}), "AppArmor is not enabled"),
        (secured(seccomp={"profile_type": "Localhost", "localhost_ref": "/no/such/profile"}), "/no/such/profile"),
        (secured(run_as_username="nobody-knows"), "no such user"),
    ],
)
def test_what_is_refused_when_it_is_made(pod, linux, words):
    config = cri.ContainerConfig(metadata={"name": "x"}, linux=linux, image={"image": pod_image(pod)})
    _, details = pod.client.refused("CreateContainer", pod_sandbox_id=pod.id, config=config)
    assert words in details
    assert not pod.client.ListContainers(filter={"pod_sandbox_id": pod.id}).containers
