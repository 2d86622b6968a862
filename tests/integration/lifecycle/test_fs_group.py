"""fsGroup: who owns what is in a pod's volumes."""

from __future__ import annotations

import os
import stat

import pytest

from .conftest import FOREVER
from .test_storage import claim, directories, found, of, storage  # noqa: F401 - a fixture

GROUP = 4242
USER = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": GROUP}
MOUNT = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}


def owner(path):
    status = path.lstat()
    return status.st_gid, f"{stat.S_IMODE(status.st_mode):o}"


@pytest.mark.core
@pytest.mark.parametrize("medium", ["", "Memory"])
def test_an_empty_directory_is_the_groups(daemon, name, pod, medium):
    script = "stat -c '%g %a' /data; touch /data/x; mkdir /data/d; stat -c '%u %g' /data/x /data/d; id -G"
    volumes = [{"name": "data", "emptyDir": {"medium": medium}}]
    daemon.apply(pod(script, container=MOUNT, volumes=volumes, securityContext=USER))
    daemon.phase(name, "Succeeded")
    assert daemon.logs(name).splitlines() == [f"{GROUP} 2777", f"1000 {GROUP}", f"1000 {GROUP}", f"1000 2000 {GROUP}"]


@pytest.mark.core
def test_what_is_in_a_claim_becomes_the_groups(storage, name, pod):  # noqa: F811
    outside = storage.config.paths.root / "outside-of-fs-group"
    outside.touch(mode=0o600)
    script = f"mkdir /data/d; touch /data/d/f; chmod 500 /data/d; chmod 400 /data/d/f; ln -s {outside} /data/link"
    storage.apply(claim("data"), pod(script, container=MOUNT, volumes=of("data")))
    storage.phase(name, "Succeeded")
    storage.delete(name, 0)
    storage.gone(name)
    storage.apply(pod("echo x >> /data/d/f", container=MOUNT, volumes=of("data"), securityContext=USER))
    storage.phase(name, "Succeeded")
    top = storage.config.paths.root / "volumes" / found(storage, "data")["spec"]["volumeName"]
    assert owner(top) == (GROUP, "2777")
    assert owner(top / "d") == (GROUP, "2770")
    assert owner(top / "d/f") == (GROUP, "660")
    assert (top / "link").lstat().st_gid == GROUP
    assert owner(outside) == (0, "600")


def test_on_root_mismatch_looks_at_the_top_only(storage, name, pod):  # noqa: F811
    context = USER | {"fsGroupChangePolicy": "OnRootMismatch"}
    storage.apply(claim("data"), pod("touch /data/f", container=MOUNT, volumes=of("data"), securityContext=context))
    storage.phase(name, "Succeeded")
    top = storage.config.paths.root / "volumes" / found(storage, "data")["spec"]["volumeName"]
    assert owner(top) == (GROUP, "2777")
    os.chown(top / "f", 0, 0)

    def again(policy):
        storage.delete(name, 0)
        storage.gone(name)
        context["fsGroupChangePolicy"] = policy
        storage.apply(pod("true", container=MOUNT, volumes=of("data"), securityContext=context))
        storage.phase(name, "Succeeded")
        return owner(top / "f")[0]

    assert again("OnRootMismatch") == 0
    assert again("Always") == GROUP


def test_a_host_path_is_left_alone(daemon, name, pod, workdir):
    workdir.chmod(0o755)
    volumes = [{"name": "data", "hostPath": {"path": str(workdir)}}]
    daemon.apply(pod("true", container=MOUNT, volumes=volumes, securityContext=USER))
    daemon.phase(name, "Succeeded")
    assert owner(workdir) == (0, "755")


@pytest.mark.core
def test_secrets_are_readable_by_the_group(daemon, name, pod):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": "value"}}
    volumes = [{"name": "data", "secret": {"secretName": name, "defaultMode": 0o400}}]
    daemon.apply(
        secret, pod("cat /data/key; stat -Lc '%g %a' /data/key", container=MOUNT, volumes=volumes, securityContext=USER)
    )
    daemon.phase(name, "Succeeded")
    assert daemon.logs(name).splitlines() == [f"value{GROUP} 440"]
    daemon.pyrt("delete", "secret", name)


def test_a_running_pods_files_stay_what_they_are_when_the_daemon_is_new(own_daemon, name, pod):
    daemon = own_daemon
    daemon.apply(claim("data"), pod(FOREVER, container=MOUNT, volumes=of("data"), securityContext=USER))
    daemon.running(name)
    top = daemon.config.paths.root / "volumes" / found(daemon, "data")["spec"]["volumeName"]
    (top / "roots").touch(mode=0o600)
    daemon.kill()
    daemon.start()
    daemon.running(name)
    assert owner(top / "roots") == (GROUP, "600")  # set-group-ID of the directory, and no more
    daemon.delete(name, 0)
    daemon.pyrt("delete", "pvc", "data", "--wait=false")
    daemon.until(lambda: directories(daemon) == [])


def test_huge_pages_that_nobody_asks_for(daemon, name, pod):
    volumes = [{"name": "data", "emptyDir": {"medium": "HugePages-2Mi"}}]
    daemon.apply(pod(container=MOUNT, volumes=volumes))
    assert "no container of the pod asks for hugepages-2Mi" in daemon.told(name, "FailedMount")["message"]
