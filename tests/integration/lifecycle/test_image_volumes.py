"""Images as volumes: pulled as their policy says, mounted read-only, kept while they are in use."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from .conftest import FOREVER, IMAGE, container

DATA = "docker.io/library/data:1"
MOUNT = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}


def of(reference=IMAGE, policy="IfNotPresent"):
    return [{"name": "data", "image": {"reference": reference, "pullPolicy": policy}}]


@pytest.mark.core
def test_the_content_is_there_to_be_read_and_run(daemon, name, pod):
    script = "cat /data/etc/group | head -1; /data/bin/busybox echo runs; touch /data/x || echo read-only"
    daemon.apply(pod(script, container=MOUNT, volumes=of()))
    status = container(daemon.phase(name, "Succeeded"), "app")
    assert {"root:x:0:", "runs", "read-only"} <= set(daemon.logs(name).splitlines())
    mount = next(one for one in status["volumeMounts"] if one["name"] == "data")
    assert "sha256:" in mount["volumeStatus"]["image"]["imageRef"]


def test_a_part_of_it(daemon, name, pod):
    mounts = [
        {"name": "data", "mountPath": "/accounts", "subPath": "etc"},
        {"name": "data", "mountPath": "/one/file", "subPath": "etc/group"},
    ]
    daemon.apply(pod("ls /accounts; head -1 /one/file", container={"volumeMounts": mounts}, volumes=of()))
    daemon.phase(name, "Succeeded")
    assert daemon.logs(name).splitlines() == ["group", "passwd", "root:x:0:"]


def test_a_part_that_is_not_there(daemon, name, pod):
    mounts = [{"name": "data", "mountPath": "/here", "subPath": "no/such/thing"}]
    daemon.apply(pod(container={"volumeMounts": mounts}, volumes=of()))
    assert "No such file or directory" in daemon.told(name, "Failed", "no/such/thing")["message"]


def test_an_image_that_may_not_be_pulled(daemon, name, pod):
    daemon.apply(pod(container=MOUNT, volumes=of("nowhere.invalid/data:1", "Never")))
    status = daemon.state(name, "app", "waiting", "ErrImageNeverPull")
    assert "nowhere.invalid/data:1" in status["state"]["waiting"]["message"]
    daemon.told(name, "FailedMount", "ErrImageNeverPull")


def test_a_pod_that_waits_for_an_image_can_be_deleted(daemon, name, pod):
    daemon.apply(pod(container=MOUNT, volumes=of("nowhere.invalid/data:1")))
    daemon.told(name, "Pulling", "nowhere.invalid/data:1")
    daemon.delete(name)
    daemon.gone(name)


@pytest.fixture(scope="module")
def data_image(layout, tmp_path_factory):
    """A layout with an image that no container runs on: the layer of busybox under another configuration."""
    directory = tmp_path_factory.mktemp("data") / "layout"
    shutil.copytree(layout, directory)
    index = json.loads((directory / "index.json").read_text())

    def blob(digest):
        return directory / "blobs/sha256" / digest.partition(":")[2]

    def put(value):
        data = json.dumps(value).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blob(digest).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    entry = index["manifests"][0]
    manifest = json.loads(blob(entry["digest"]).read_text())
    config = json.loads(blob(manifest["config"]["digest"]).read_text())
    manifest["config"] |= put(config | {"author": "data"})
    entry |= put(manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": DATA}
    (directory / "index.json").write_text(json.dumps(index))
    return directory


def test_an_image_in_use_stays(own_daemon, name, pod, data_image):
    """Also when the daemon is a new one, which goes on with the image that the pod has."""
    daemon = own_daemon
    daemon.call("POST", f"/apis/pyrt.dev/v1/images/import?path={data_image}")
    daemon.apply(pod(FOREVER, container=MOUNT, volumes=of(DATA)))
    daemon.running(name)
    for _ in range(2):
        assert daemon.exec(name, "cat", "/data/etc/group")[0] == 0
        assert daemon.pyrt("image", "rm", DATA, check=False).code != 0
        daemon.pyrt("image", "prune", "--all", "--yes")
        daemon.kill()
        daemon.start()
        daemon.running(name)
    daemon.delete(name, 0)
    daemon.until(lambda: not daemon.leftovers())
    assert daemon.pyrt("image", "rm", DATA).code == 0
