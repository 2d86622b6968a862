"""Volumes and mounts that cannot be, and images that try to have the host's files mounted over."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import FOREVER, HOSTILE

ESCAPE = Path("/var/tmp/pyrt-escape")


def mounted(path, volume):
    """(changes of the container, changes of the pod) for one volume."""
    return {"volumeMounts": [{"name": "v", "mountPath": path}]}, {"volumes": [{"name": "v", **volume}]}


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("Directory", "/no/such/directory", "/no/such/directory is not a directory"),
        ("Directory", "/etc/passwd", "/etc/passwd is not a directory"),
        ("File", "/etc", "/etc is not a file"),
        ("Socket", "/etc/passwd", "/etc/passwd is not a socket file"),
        ("BlockDevice", "/dev/null", "/dev/null is not a block device"),
        ("CharDevice", "/etc", "/etc is not a character device"),
        ("FileOrCreate", "/no/such/directory/file", "/no/such/directory/file"),
        ("DirectoryOrCreate", "/etc/passwd/below", "/etc/passwd/below"),
    ],
)
def test_a_host_path_of_another_type(daemon, pod, kind, path, words):
    container, spec = mounted("/v", {"hostPath": {"path": path, "type": kind}})
    daemon.create(pod("web", "true", container=container, **spec))
    message = daemon.told("web", "FailedMount", 'MountVolume.SetUp failed for volume "v"')
    assert words in message
    assert daemon.row("web")[1:3] == ["0/1", "ContainerCreating"]
    assert words in daemon.pyrt("describe", "pod", "web").out
    assert daemon.pod_processes() == []


def test_a_host_path_that_comes_to_be(daemon, pod):
    path = daemon.file.parent / "late"
    container, spec = mounted("/v", {"hostPath": {"path": str(path), "type": "Directory"}})
    daemon.create(pod("web", "true", container=container, **spec))
    daemon.event("web", "FailedMount")
    path.mkdir()
    daemon.phase("web", "Succeeded")


@pytest.mark.parametrize("target", ["/escape", "/upward", "/proclink", "/escape/deeper"])
def test_a_mount_target_that_is_a_link_to_the_host(daemon, pod, target):
    """Links are resolved inside the container's root, or refused; the host sees nothing of it."""
    container, spec = mounted(target, {"emptyDir": {}})
    container["image"] = HOSTILE
    daemon.create(
        pod("web", f"grep -q '^.* {target} \\|/var/tmp/pyrt-escape' /proc/mounts", container=container, **spec)
    )
    try:
        daemon.phase("web", "Succeeded", "Failed")
        assert not ESCAPE.exists()
        mounts = Path("/proc/self/mountinfo").read_text()
        assert "pyrt-escape" not in mounts
    finally:
        if ESCAPE.exists():
            ESCAPE.rmdir()


def test_a_working_directory_that_is_a_link_to_the_host(daemon, pod):
    daemon.create(pod("web", "pwd -P", container={"image": HOSTILE, "workingDir": "/escape"}))
    try:
        daemon.phase("web", "Succeeded", "Failed")
        assert not ESCAPE.exists()
    finally:
        if ESCAPE.exists():
            ESCAPE.rmdir()


def test_a_directory_over_a_file(daemon, pod):
    container, spec = mounted("/file", {"emptyDir": {}})
    container["image"] = HOSTILE
    daemon.create(pod("web", "true", container=container, **spec))
    state = daemon.terminated("web")
    assert state["exitCode"] == 128
    assert "/file" in state["message"]
    assert "v" in state["message"]
    assert "Not a directory" in state["message"]
    daemon.told("web", "Failed", "/file")


def test_a_mount_in_a_read_only_root(daemon, pod):
    """The mount point is made before the root becomes read-only; only writing fails."""
    container, spec = mounted("/brand/new", {"emptyDir": {}})
    container["securityContext"] = {"readOnlyRootFilesystem": True}
    daemon.create(pod("web", "touch /brand/new/x && ! touch /x", container=container, **spec))
    daemon.phase("web", "Succeeded", "Failed")
    assert daemon.get("web")["status"]["phase"] == "Succeeded", daemon.logs("web")
    assert "Read-only file system" in daemon.logs("web")


def test_a_sub_path_that_leads_outside(daemon, pod):
    directory = daemon.file.parent / "tree"
    directory.mkdir()
    (directory / "out").symlink_to("/etc")
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "out"}]}
    volumes = [{"name": "v", "hostPath": {"path": str(directory)}}]
    daemon.create(pod("web", "cat /v/passwd", container=container, volumes=volumes))
    assert "out" in daemon.told("web", "Failed", "Error: ")
    assert daemon.get("web")["status"]["phase"] != "Succeeded"


def test_a_volume_that_is_full(daemon, pod):
    container, spec = mounted("/v", {"emptyDir": {"medium": "Memory", "sizeLimit": "64Ki"}})
    daemon.create(pod("web", "dd if=/dev/zero of=/v/x bs=1k count=100", container=container, **spec))
    assert daemon.terminated("web")["exitCode"] == 1
    assert "No space left on device" in daemon.logs("web")


def test_what_a_pod_shares_is_gone_with_it(daemon, pod):
    container, spec = mounted("/v", {"emptyDir": {}})
    uid = daemon.create(pod("web", "mkdir /v/a; touch /v/a/b; chmod 0 /v/a; " + FOREVER, container=container, **spec))[
        "metadata"
    ]["uid"]
    daemon.running("web")
    assert (daemon.config.paths.root / "pods" / uid).exists()
    daemon.delete("web", 0)
    daemon.until(lambda: not (daemon.config.paths.root / "pods" / uid).exists())
