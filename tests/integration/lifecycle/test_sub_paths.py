"""Parts of volumes: subPath and subPathExpr, and that nothing in a volume leads a mount out of it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from .conftest import container

ATTACK = Path(__file__).parents[1] / "security/attack.c"
ROUNDS = 8


def volumes(path: Path):
    return [{"name": "v", "hostPath": {"path": str(path), "type": "Directory"}}]


def at(where, sub_path, **more):
    return {"volumeMounts": [{"name": "v", "mountPath": where, "subPath": sub_path, **more}]}


@pytest.mark.core
def test_a_directory_that_is_made_is_like_its_volume(daemon, name, pod, workdir):
    os.chown(workdir, 1234, 2345)
    workdir.chmod(0o2775)
    daemon.apply(
        pod("stat -c '%u %g %a' /here; echo x > /here/x", container=at("/here", "a/b"), volumes=volumes(workdir))
    )
    daemon.phase(name, "Succeeded")
    assert daemon.logs(name) == "1234 2345 2775\n"
    assert (workdir / "a/b/x").read_text() == "x\n"
    assert ((workdir / "a").stat().st_uid, stat.S_IMODE((workdir / "a").stat().st_mode)) == (1234, 0o2775)


def test_a_file(daemon, name, pod, workdir):
    (workdir / "conf").mkdir()
    (workdir / "conf/app.ini").write_text("of the volume")
    script = "cat /etc/app.ini; echo no > /etc/app.ini"
    daemon.apply(pod(script, container=at("/etc/app.ini", "conf/app.ini", readOnly=True), volumes=volumes(workdir)))
    daemon.phase(name, "Failed")
    assert "of the volume" in daemon.logs(name)
    assert "Read-only file system" in daemon.logs(name)


@pytest.mark.core
def test_an_expression(daemon, name, pod, workdir):
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "TEAM", "value": "a"}]
    mount = {"name": "v", "mountPath": "/here", "subPathExpr": "$(TEAM)/$(POD)-$$(POD)"}
    daemon.apply(pod("touch /here/x", container={"volumeMounts": [mount], "env": env}, volumes=volumes(workdir)))
    daemon.phase(name, "Succeeded")
    assert (workdir / f"a/{name}-$(POD)/x").exists()


def test_an_expression_without_its_variable(daemon, name, pod, workdir):
    mount = {"name": "v", "mountPath": "/here", "subPathExpr": "$(NOBODY)"}
    daemon.apply(pod(container={"volumeMounts": [mount]}, volumes=volumes(workdir)))
    status = daemon.state(name, "app", "waiting", "CreateContainerConfigError")
    assert "missing value for NOBODY" in status["state"]["waiting"]["message"]
    assert os.listdir(workdir) == []


def test_an_expression_that_climbs(daemon, name, pod, workdir):
    mount = {"name": "v", "mountPath": "/here", "subPathExpr": "$(UP)"}
    daemon.apply(
        pod(
            container={"volumeMounts": [mount], "env": [{"name": "UP", "value": "../.."}]},
            volumes=volumes(workdir),
        )
    )
    status = daemon.state(name, "app", "waiting", "CreateContainerConfigError")
    assert "unable to provision SubPath `../..`: must not contain '..'" in status["state"]["waiting"]["message"]


def test_a_link_inside_is_followed(daemon, name, pod, workdir):
    (workdir / "real/deep").mkdir(parents=True)
    (workdir / "real/deep/x").write_text("inside")
    (workdir / "link").symlink_to("real/deep/../deep")
    daemon.apply(pod("cat /here/x", container=at("/here", "link"), volumes=volumes(workdir)))
    daemon.phase(name, "Succeeded")
    assert daemon.logs(name) == "inside"


@pytest.mark.core
@pytest.mark.parametrize("target", ["/etc", "../../../../../../../../etc", "/proc/self/root", "link"])
def test_a_link_to_the_outside_is_refused(daemon, name, pod, workdir, target):
    """kubelet CVE-2017-1002101."""
    (workdir / "link").symlink_to(target)
    daemon.apply(pod(container=at("/here", "link"), volumes=volumes(workdir)))
    told = daemon.told(name, "Failed", "subpath link")
    assert "mount hostPath v" in told["message"]
    assert "running" not in container(daemon.get(name), "app")["state"]


def test_nothing_is_made_beneath_a_link_to_the_outside(daemon, name, pod, workdir):
    outside = workdir.parent / f"{workdir.name}-outside"
    outside.mkdir()
    try:
        (workdir / "link").symlink_to(outside)
        daemon.apply(pod(container=at("/here", "link/made/by/pyrt"), volumes=volumes(workdir)))
        daemon.told(name, "Failed", "subpath link/made/by/pyrt")
        assert os.listdir(outside) == []
    finally:
        shutil.rmtree(outside)


def test_nothing_is_made_in_a_config_map(daemon, name, pod):
    daemon.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}})
    mounts = [{"name": "v", "mountPath": "/here", "subPath": "no-such-key"}]
    daemon.apply(pod(container={"volumeMounts": mounts}, volumes=[{"name": "v", "configMap": {"name": name}}]))
    assert "No such file or directory" in daemon.told(name, "Failed", "no-such-key")["message"]
    daemon.pyrt("delete", "cm", name)


def test_memory_volumes_have_parts_too(daemon, name, pod, shell):
    init = shell("init", "mkdir -p /all/a; echo hello > /all/a/x", volumeMounts=[{"name": "v", "mountPath": "/all"}])
    daemon.apply(
        pod(
            "cat /here/x",
            container=at("/here", "a"),
            initContainers=[init],
            volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}],
        )
    )
    daemon.phase(name, "Succeeded")
    assert daemon.logs(name) == "hello\n"


@pytest.fixture(scope="module")
def weapons(tmp_path_factory):
    directory = tmp_path_factory.mktemp("weapons")
    subprocess.run(["cc", "-static", "-O1", "-w", "-o", directory / "attack", ATTACK], check=True)
    directory.chmod(0o755)
    return directory


def test_a_volume_that_is_changed_while_it_is_mounted(daemon, name, pod, shell, workdir, weapons):
    """kubelet CVE-2021-25741: one container exchanges a directory for a link to the host's as fast as it can, while
    others are started with a subPath through it: one that is there, one that has to be made.
    """
    victim, volume = workdir / "victim", workdir / "volume"
    for directory in (victim, volume, volume / "d", victim / "sub", volume / "d/sub"):
        directory.mkdir()
    (victim / "sub/secret").write_text("of the host")
    (volume / "d/sub/mine").write_text("of the volume")
    climb = "/.." * 12
    (volume / "link").symlink_to(f"{climb}{victim}"[1:])
    swapper = shell("swapper")
    swapper["command"] = ["/weapons/attack", "swap", "/v/d", "/v/link"]
    swapper["volumeMounts"] = [{"name": "v", "mountPath": "/v"}, {"name": "weapons", "mountPath": "/weapons"}]
    more = [{"name": "weapons", "hostPath": {"path": str(weapons)}}]
    everything = volumes(volume) + more
    attacker = pod(volumes=everything)
    attacker["spec"]["containers"] = [swapper]
    daemon.apply(attacker)
    daemon.running(name)
    daemon.until(lambda: daemon.exec(name, "test", "-e", "/tmp/swapping")[0] == 0)
    for number in range(ROUNDS):
        one = pod("ls /here /made; cat /here/*; true", volumes=volumes(volume))
        one["metadata"]["name"] = other = f"{name}-{number}"
        one["spec"]["containers"][0]["volumeMounts"] = [
            {"name": "v", "mountPath": "/here", "subPath": "d/sub"},
            {"name": "v", "mountPath": "/made", "subPath": f"d/made-{number}/deep"},
        ]
        daemon.create(one)
        if daemon.phase(other, "Succeeded", "Failed")["status"]["phase"] == "Failed":
            continue  # the look-up met the exchange: an error is right
        assert "secret" not in daemon.logs(other)
        assert "of the host" not in daemon.logs(other)
    assert sorted(str(path.relative_to(victim)) for path in victim.rglob("*")) == ["sub", "sub/secret"]
    daemon.exec(name, "touch", "/tmp/stop")
