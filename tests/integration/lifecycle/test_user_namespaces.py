"""``hostUsers: false``: ids of the pod's own, from inside the container and from the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import FOREVER, container

FIRST = 65536


def status_of(pid: int, field: str) -> list[str]:
    """The words of a line of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return line.partition(":")[2].split()
    raise AssertionError(field)


def pids(daemon, name: str) -> list[int]:
    """The host's numbers of the processes of a pod's containers, in the order of their start."""
    uid = daemon.get(name)["metadata"]["uid"]
    found = []
    for entry in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        try:
            cgroup = Path(f"/proc/{entry}/cgroup").read_text()
            line = Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue
        if f"pod{uid}/" in cgroup and not line.startswith(b"pyrt-"):
            found.append(int(entry))
    return found


def test_the_ids_of_a_pod(daemon, name, pod):
    daemon.apply(pod(FOREVER, hostUsers=False))
    daemon.wait(f"pod/{name}", "condition=Ready")
    assert daemon.pyrt("exec", name, "--", "id", "-u").out == "0\n"
    pid = pids(daemon, name)[0]
    first = int(status_of(pid, "Uid")[0])
    assert first >= FIRST
    assert first % 65536 == 0
    assert status_of(pid, "Uid") == status_of(pid, "Gid") == [str(first)] * 4
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", str(first), "65536"]
    for kind in ("user", "net", "ipc", "uts", "pid", "mnt", "cgroup"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    assert container(daemon.get(name), "app")["user"]["linux"]["uid"] == 0


def test_no_two_pods_share_an_id(daemon, name, pod):
    manifests = []
    for number in range(3):
        manifest = pod(FOREVER, hostUsers=False)
        manifest["metadata"]["name"] = f"{name}-{number}"
        manifests.append(manifest)
    daemon.apply(*manifests)
    firsts = set()
    for manifest in manifests:
        one = manifest["metadata"]["name"]
        daemon.wait(f"pod/{one}", "condition=Ready")
        firsts.add(status_of(pids(daemon, one)[0], "Uid")[0])
    assert len(firsts) == 3


def test_all_kinds_of_containers_share_them(daemon, name, pod, shell):
    """Init, sidecar, application, a guest in the application's PID namespace, and what is executed in them."""
    script = "cat /proc/self/uid_map >> /data/maps; "
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    manifest = pod(
        script + FOREVER,
        container=mounts,
        hostUsers=False,
        volumes=[{"name": "data", "emptyDir": {}}],
        initContainers=[
            shell("once", script, **mounts),
            shell("side", script + FOREVER, restartPolicy="Always", **mounts),
        ],
    )
    daemon.apply(manifest)
    daemon.wait(f"pod/{name}", "condition=Ready")
    image = manifest["spec"]["containers"][0]["image"]
    daemon.pyrt("debug", name, f"--image={image}", "--target=app", "-c", "guest", "--", "sh", "-c", FOREVER)
    daemon.state(name, "guest", "running")
    maps = daemon.pyrt("exec", name, "-c", "app", "--", "cat", "/data/maps").out.splitlines()
    assert len({line.split()[1] for line in maps}) == 1
    assert len(maps) == 3
    seen = daemon.pyrt("exec", name, "-c", "guest", "--", "cat", "/proc/1/comm", "/proc/self/uid_map").out
    assert seen.split() == ["sh", "0", maps[0].split()[1], "65536"]


def test_volumes_of_every_kind_belong_to_the_pods_root(daemon, name, pod, tmp_path):
    host = tmp_path / "host"
    host.mkdir()
    daemon.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}})
    volumes = {
        "disk": {"emptyDir": {}},
        "memory": {"emptyDir": {"medium": "Memory"}},
        "config": {"configMap": {"name": name}},
        "down": {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        "host": {"hostPath": {"path": str(host)}},
    }
    script = (
        "stat -c '%n %u:%g' /v/*; cat /v/config/key; echo; touch /v/disk/x /v/memory/x /v/host/x && chown 5:6 /v/host/x"
    )
    daemon.apply(
        pod(
            script,
            container={"volumeMounts": [{"name": each, "mountPath": f"/v/{each}"} for each in volumes]},
            volumes=[{"name": each, **source} for each, source in volumes.items()],
            hostUsers=False,
        )
    )
    daemon.phase(name, "Succeeded", "Failed")
    assert sorted(daemon.logs(name).splitlines()) == sorted([*(f"/v/{each} 0:0" for each in volumes), "value"])
    assert (os.stat(host / "x").st_uid, os.stat(host / "x").st_gid) == (5, 6)
    daemon.pyrt("delete", "configmap", name)


def test_fs_group(daemon, name, pod):
    daemon.apply(
        pod(
            "stat -c %g /data; touch /data/x && stat -c %u:%g /data/x",
            container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            volumes=[{"name": "data", "emptyDir": {}}],
            securityContext={"fsGroup": 3000, "runAsUser": 1000},
            hostUsers=False,
        )
    )
    daemon.phase(name, "Succeeded", "Failed")
    assert daemon.logs(name).split() == ["3000", "1000:3000"]


def test_a_volume_of_a_file_system_that_cannot_map_ids(daemon, name, pod):
    """Refused by name, as the kubelet has the runtime refuse it: the files would be nobody's."""
    daemon.apply(
        pod(
            FOREVER,
            container={"volumeMounts": [{"name": "proc", "mountPath": "/p"}]},
            volumes=[{"name": "proc", "hostPath": {"path": "/proc"}}],
            hostUsers=False,
        )
    )
    daemon.told(name, "Failed", "hostPath proc")
    daemon.told(name, "Failed", "Operation not supported")


def test_sysctls_of_the_pod(daemon, name, pod):
    daemon.apply(
        pod(
            "cat /proc/sys/net/ipv4/tcp_fin_timeout /proc/sys/kernel/shm_rmid_forced",
            securityContext={
                "sysctls": [
                    {"name": "net.ipv4.tcp_fin_timeout", "value": "17"},
                    {"name": "kernel.shm_rmid_forced", "value": "1"},
                ]
            },
            hostUsers=False,
        )
    )
    daemon.phase(name, "Succeeded", "Failed")
    assert daemon.logs(name) == "17\n1\n"


def test_an_unmasked_proc_is_for_pods_with_ids_of_their_own(daemon, name, pod):
    unmasked = {"securityContext": {"procMount": "Unmasked", "capabilities": {"add": ["SYS_ADMIN"]}}}
    refused = daemon.apply(pod("true", container=unmasked), check=False)
    assert "`hostUsers` must be false to use `Unmasked`" in refused.err
    script = "wc -c < /proc/keys | grep -q . && mkdir /p && mount -t proc proc /p && echo yes"
    daemon.apply(pod(script, container=unmasked, hostUsers=False))
    daemon.phase(name, "Succeeded", "Failed")
    assert daemon.logs(name) == "yes\n"


def test_privileged_there_is_not_the_hosts_root(daemon, name, pod):
    script = "grep CapEff /proc/self/status; echo 1 > /proc/sys/vm/drop_caches || echo refused"
    daemon.apply(pod(script, container={"securityContext": {"privileged": True}}, hostUsers=False))
    daemon.phase(name, "Succeeded", "Failed")
    assert "refused" in daemon.logs(name)


@pytest.mark.parametrize(
    ("field", "shown"), [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
)
def test_not_with_a_namespace_of_the_host(daemon, pod, field, shown):
    refused = daemon.apply(pod("true", hostUsers=False, **{field: True}), check=False)
    assert f"spec.{shown}: Forbidden: when `hostUsers` is false" in refused.err


def test_a_shared_pid_namespace(daemon, name, pod, shell):
    manifest = pod(FOREVER, shareProcessNamespace=True, hostUsers=False)
    manifest["spec"]["containers"].append(shell("other"))
    daemon.apply(manifest)
    daemon.wait(f"pod/{name}", "condition=Ready")
    assert daemon.pyrt("exec", name, "-c", "other", "--", "cat", "/proc/1/comm").out == "pyrt-pause\n"
    daemon.pyrt("exec", name, "-i", "-c", "app", "--", "sh", "-c", "cat > /tmp/file", stdin="content")
    assert (
        daemon.pyrt("exec", name, "-c", "app", "--", "sh", "-c", "stat -c %u /tmp/file; cat /tmp/file").out
        == "0\ncontent"
    )


def test_probes_and_restarts(daemon, name, pod):
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
    script = "touch /tmp/ready; while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 1"
    daemon.apply(pod(script, container={"readinessProbe": probe}, hostUsers=False, restartPolicy="Always"))
    daemon.wait(f"pod/{name}", "condition=Ready")
    before = status_of(pids(daemon, name)[0], "Uid")
    daemon.pyrt("exec", name, "--", "touch", "/tmp/end")
    daemon.restarted(name, "app", 1)
    daemon.wait(f"pod/{name}", "condition=Ready")
    assert status_of(pids(daemon, name)[0], "Uid") == before


def test_the_next_daemon_gives_nobody_the_ids_of_those_who_live(own_daemon, name, pod):
    daemon = own_daemon
    daemon.apply(pod(FOREVER, hostUsers=False))
    daemon.wait(f"pod/{name}", "condition=Ready")
    first = status_of(pids(daemon, name)[0], "Uid")[0]
    daemon.kill()
    daemon.start()
    manifest = pod(FOREVER, hostUsers=False)
    manifest["metadata"]["name"] = f"{name}-b"
    daemon.apply(manifest)
    daemon.wait(f"pod/{name}-b", "condition=Ready")
    assert status_of(pids(daemon, f"{name}-b")[0], "Uid")[0] != first
    assert daemon.pyrt("exec", name, "--", "id", "-u").out == "0\n"
