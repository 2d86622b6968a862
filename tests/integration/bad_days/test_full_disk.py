"""No space left: a small tmpfs takes the place of the disk. What fails says so; when there is room again, it works."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess

import msgspec
import pytest

from tests.integration.daemon.conftest import ApiFailure

from .badregistry import serving
from .conftest import FOREVER, forget_pods, prepared

NO_SPACE = "No space left on device"


@contextlib.contextmanager
def disk(path, size):
    """A disk of a size, at a path."""
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "pyrt-test", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@contextlib.contextmanager
def filled(path):
    """Not a byte is free inside the block."""
    filler = path / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    try:
        yield
    finally:
        filler.unlink(missing_ok=True)


def without_eviction(config):
    """A full disk is met by the pods of this module, not answered by taking them away."""
    return msgspec.structs.replace(config, eviction=msgspec.structs.replace(config.eviction, enabled=False))


@pytest.fixture(scope="module")
def full(layout):
    """A daemon whose root directory and logs are small disks of their own."""
    with (
        prepared("full", without_eviction) as instance,
        disk(instance.config.paths.root, "32m"),
        disk(instance.config.paths.logs, "1m"),
    ):
        instance.start()
        subset = instance.file.parent / "layout"
        subprocess.run(["cp", "-a", str(layout), str(subset)], check=True)
        index = json.loads((subset / "index.json").read_bytes())
        index["manifests"] = index["manifests"][:1]
        (subset / "index.json").write_text(json.dumps(index))
        instance.call("POST", f"/apis/pyrt.dev/v1/images/import?path={subset}")
        yield instance
        finish_without_removal(instance)


def finish_without_removal(instance):
    """The daemon ends well, but the mounts are still there: their owners unmount them."""
    forget_pods(instance)
    instance.stop()
    assert "Traceback" not in instance.log.read_text(), instance.log.read_text()


@pytest.fixture
def daemon(full):
    yield full
    forget_pods(full)


def test_an_image_for_which_there_is_no_room(daemon, layout, pod):
    with serving(layout) as registry:
        root = daemon.config.paths.root
        before = sorted(os.listdir(root / "layers"))
        with filled(root):
            said = daemon.pyrt("image", "pull", f"{registry.host}/cut:1")
            assert said.code == 1
            assert NO_SPACE in said.err
            assert f"{registry.host}/cut:1" in said.err
            assert os.listdir(root / "images/ingest") == []
            assert sorted(os.listdir(root / "layers")) == before
        assert daemon.pyrt("image", "pull", f"{registry.host}/cut:1").code == 0
        assert daemon.pyrt("image", "rm", f"{registry.host}/cut:1").code == 0


def test_a_pod_that_cannot_be_stored(daemon, pod):
    """The answer says that the disk is full; nothing has been begun; with room, the same request works."""

    def create_many():
        for number in range(1000):
            daemon.create(pod(f"p{number}", "true", hostname="h" * 60))

    with filled(daemon.config.paths.root):
        with pytest.raises(ApiFailure) as caught:
            create_many()
        assert caught.value.status["code"] in (500, 507)
        assert NO_SPACE in caught.value.status["message"]
    forget_pods(daemon)
    daemon.create(pod("web", "true"))
    daemon.phase("web", "Succeeded")


def test_a_running_pod_on_a_full_disk(daemon, pod):
    """It runs on, is seen, and can be deleted."""
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    with filled(daemon.config.paths.root):
        assert daemon.exec("web", "echo", "alive")[1] == "alive\n"
        assert daemon.row("web")[2] == "Running"
        code, _, err = daemon.exec("web", "dd", "if=/dev/zero", "of=/file", "bs=100k", "count=1")
        assert code == 1
        assert NO_SPACE in err
    daemon.delete("web", 0)
    daemon.gone("web")


def test_an_end_on_a_full_disk(daemon, pod):
    """What happens meanwhile is not forgotten: status and events are written when there is room again."""
    share = daemon.file.parent / "share"
    share.mkdir()
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "hostPath": {"path": str(share)}}]
    daemon.create(pod("web", "until [ -e /v/go ]; do sleep 0.05; done; exit 7", container=mounts, volumes=volumes))
    daemon.running("web")
    with filled(daemon.config.paths.root):
        (share / "go").touch()
        daemon.until(lambda: "not written yet" in daemon.log.read_text())
    assert daemon.terminated("web")["exitCode"] == 7


def test_a_full_disk_for_logs(daemon, pod):
    """The container is not held up, and its end is known; what comes when there is room again is logged."""
    with filled(daemon.config.paths.logs):
        daemon.create(pod("web", "yes words | head -c 500000; exit 3"))
        assert daemon.terminated("web")["exitCode"] == 3
    daemon.create(pod("next", "echo said"))
    daemon.phase("next", "Succeeded")
    assert daemon.logs("next") == "said\n"


def test_no_inode_for_a_volume(daemon, pod):
    root = daemon.config.paths.root
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    subprocess.run(["mount", "-o", "remount,nr_inodes=1", str(root)], check=False, capture_output=True)
    inodes = os.statvfs(root)
    if inodes.f_ffree:
        used = inodes.f_files - inodes.f_ffree
        subprocess.run(["mount", "-o", f"remount,nr_inodes={used + 1}", str(root)], check=True)
    try:
        (root / "last").touch()
        daemon.create(pod("web", "true", container=mounts, volumes=[{"name": "v", "emptyDir": {}}]))
        message = daemon.told("web", "FailedMount", 'volume "v" :')
        assert NO_SPACE in message
    finally:
        (root / "last").unlink()
        subprocess.run(["mount", "-o", "remount,nr_inodes=100000", str(root)], check=True)
    daemon.phase("web", "Succeeded")
