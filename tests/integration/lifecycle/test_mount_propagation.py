"""How mounts travel between host and containers, and how far read-only goes."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from .conftest import FOREVER, container

PRIVILEGED = {"securityContext": {"privileged": True}}


@contextlib.contextmanager
def mounted(path):
    """A tmpfs of the host's."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "test", path], check=True)
    try:
        (path / "inside").write_text("of the tmpfs")
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@contextlib.contextmanager
def shared(path):
    """A directory that is a shared mount of its own: the peer group that propagation needs (as the host's / is)."""
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "--make-shared", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-R", path], check=True)


def volumes(path):
    return [{"name": "v", "hostPath": {"path": str(path), "type": "Directory"}}]


def at(**more):
    return {"volumeMounts": [{"name": "v", "mountPath": "/v", **more}]}


@pytest.mark.core
def test_what_is_mounted_before_is_there(daemon, name, pod, workdir):
    with mounted(workdir / "sub"):
        daemon.apply(pod("cat /v/sub/inside", container=at(), volumes=volumes(workdir)))
        daemon.phase(name, "Succeeded")
        assert daemon.logs(name) == "of the tmpfs"


@pytest.mark.core
@pytest.mark.parametrize(("propagation", "arrives"), [("None", False), ("HostToContainer", True)])
def test_what_the_host_mounts_later(daemon, name, pod, workdir, propagation, arrives):
    with shared(workdir):
        daemon.apply(pod(FOREVER, container=at(mountPropagation=propagation), volumes=volumes(workdir)))
        daemon.running(name)
        with mounted(workdir / "sub"):
            code, out, _ = daemon.exec(name, "cat", "/v/sub/inside")
            assert (code == 0, out) == ((True, "of the tmpfs") if arrives else (False, ""))
        daemon.delete(name, 0)
        daemon.gone(name)


def test_what_a_container_mounts_stays_with_it(daemon, name, pod, workdir):
    with shared(workdir):
        (workdir / "sub").mkdir()
        limited = at(mountPropagation="HostToContainer") | PRIVILEGED
        daemon.apply(pod(FOREVER, container=limited, volumes=volumes(workdir)))
        daemon.running(name)
        assert daemon.exec(name, "mount", "-t", "tmpfs", "x", "/v/sub")[0] == 0
        assert daemon.exec(name, "touch", "/v/sub/x")[0] == 0
        assert list((workdir / "sub").iterdir()) == []
        daemon.delete(name, 0)
        daemon.gone(name)


def test_bidirectional(daemon, name, pod, shell, workdir):
    with shared(workdir):
        (workdir / "sub").mkdir()
        both = at(mountPropagation="Bidirectional") | PRIVILEGED
        manifest = pod(FOREVER, container=both, volumes=volumes(workdir))
        manifest["spec"]["containers"].append(shell("other", **at(mountPropagation="HostToContainer")))
        daemon.apply(manifest)
        daemon.running(name)
        app, other = "&container=app", "&container=other"
        assert daemon.exec(name, "mount", "-t", "tmpfs", "x", "/v/sub", query=app)[0] == 0
        assert daemon.exec(name, "touch", "/v/sub/x", query=app)[0] == 0
        assert (workdir / "sub/x").exists()
        assert daemon.exec(name, "ls", "/v/sub", query=other)[1] == "x\n"
        assert daemon.exec(name, "umount", "/v/sub", query=app)[0] == 0
        assert not (workdir / "sub/x").exists()
        daemon.delete(name, 0)
        daemon.gone(name)


def test_bidirectional_is_for_the_privileged(daemon, pod, workdir):
    said = daemon.apply(pod(container=at(mountPropagation="Bidirectional"), volumes=volumes(workdir)), check=False)
    assert said.code != 0
    assert "Bidirectional mount propagation is available only to privileged containers" in said.err


@pytest.mark.core
@pytest.mark.parametrize(
    ("recursive", "written", "told"),
    [
        (None, True, "Disabled"),
        ("Disabled", True, "Disabled"),
        ("IfPossible", False, "Enabled"),
        ("Enabled", False, "Enabled"),
    ],
)
def test_how_far_read_only_goes(daemon, name, pod, workdir, recursive, written, told):
    mount = {"readOnly": True} | ({"recursiveReadOnly": recursive} if recursive else {})
    with mounted(workdir / "sub"):
        script = "touch /v/top || echo top; touch /v/sub/x || echo sub"
        daemon.apply(pod(script, container=at(**mount), volumes=volumes(workdir)))
        status = container(daemon.phase(name, "Succeeded"), "app")
        lines = daemon.logs(name).splitlines()
        assert "top" in lines
        assert ("sub" not in lines) == written
    found = next(one for one in status["volumeMounts"] if one["name"] == "v")
    assert (found["readOnly"], found["recursiveReadOnly"]) == (True, told)


def test_recursive_needs_read_only(daemon, pod, workdir):
    said = daemon.apply(pod(container=at(recursiveReadOnly="Enabled"), volumes=volumes(workdir)), check=False)
    assert "may only be specified when readOnly is true" in said.err


def test_bidirectional_needs_a_shared_mount(daemon, name, pod, workdir):
    with shared(workdir):
        subprocess.run(["mount", "--make-private", workdir], check=True)
        both = at(mountPropagation="Bidirectional") | PRIVILEGED
        daemon.apply(pod(container=both, volumes=volumes(workdir)))
        message = daemon.told(name, "Failed", "shared mount")["message"]
        assert f"path {workdir} is mounted on {workdir} but it is not a shared mount" in message
        daemon.delete(name, 0)
        daemon.gone(name)
