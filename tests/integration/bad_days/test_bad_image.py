"""Images that cannot be had: ErrImagePull, then ImagePullBackOff, an event that says why, and nothing kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from .badregistry import serving


@pytest.fixture(scope="module")
def registry(layout):
    with serving(layout) as running:
        yield running


def debris(daemon):
    """What a pull that failed must not leave: half-fetched blobs, half-unpacked layers."""
    root = daemon.config.paths.root
    return [str(entry) for name in ("images/ingest", "tmp") for entry in Path(root / name).glob("*")]


def layers(daemon):
    return sorted(entry.name for entry in (daemon.config.paths.root / "layers").iterdir())


def test_an_image_that_nobody_knows(daemon, registry, pod):
    image = f"{registry.host}/nobody/nothing:v1"
    daemon.create(pod("web", "true", container={"image": image}))
    first = daemon.waiting("web", "ErrImagePull", "ImagePullBackOff")
    daemon.told("web", "Pulling", f'Pulling image "{image}"')
    assert "not found" in daemon.told("web", "Failed", f'Failed to pull image "{image}": ')
    daemon.told("web", "Failed", "Error: ErrImagePull")
    assert image in first["message"]
    second = daemon.waiting("web", "ImagePullBackOff")
    assert second["message"].startswith(f'Back-off pulling image "{image}"')
    daemon.told("web", "BackOff", f'Back-off pulling image "{image}"')
    assert daemon.row("web")[1:4] == ["0/1", "ImagePullBackOff", "0"]
    assert daemon.get("web")["status"]["phase"] == "Pending"
    described = daemon.pyrt("describe", "pod", "web").out
    assert "Reason:       ImagePullBackOff" in described
    assert "ErrImagePull" in described
    assert debris(daemon) == []


def test_the_image_comes_to_be(daemon, registry, pod):
    """The pull is tried again, and the pod goes its way."""
    daemon.create(pod("web", "true", container={"image": f"{registry.host}/late:1"}))
    daemon.waiting("web", "ErrImagePull", "ImagePullBackOff")
    registry.stocked = True
    daemon.phase("web", "Succeeded")


def test_no_registry_there(daemon, pod):
    daemon.create(pod("web", "true", container={"image": "127.0.0.1:1/app:v1"}))
    message = daemon.waiting("web", "ErrImagePull")["message"]
    assert 'failed to pull image "127.0.0.1:1/app:v1": registry 127.0.0.1:1' in message
    assert "refused" in message.lower()


def test_a_registry_that_wants_a_password(daemon, registry, pod):
    image = f"{registry.host}/private:v1"
    daemon.create(pod("web", "true", container={"image": image}))
    message = daemon.told("web", "Failed", "Failed to pull image")
    assert f"registry {registry.host}: pull access denied" in message
    said = daemon.pyrt("image", "pull", image)
    assert said.code == 1
    assert "pull access denied" in said.err


def test_a_registry_that_is_cut_off_in_the_middle_of_a_layer(daemon, registry, pod):
    daemon.create(pod("web", "echo whole", container={"image": f"{registry.host}/cut:1"}))
    daemon.phase("web", "Succeeded")
    assert daemon.logs("web") == "whole\n"
    assert max(count for path, count in registry.asked.items() if path.startswith("/v2/cut/blobs/")) == 2


def test_a_pod_is_deleted_while_its_image_is_on_the_way(daemon, registry, pod):
    daemon.create(pod("web", "true", container={"image": f"{registry.host}/stall:1"}))
    daemon.until(lambda: any(path.startswith("/v2/stall/blobs/") for path in registry.asked))
    said = daemon.pyrt("delete", "pod", "web")
    assert (said.code, said.out) == (0, 'pod "web" deleted\n')
    daemon.until(lambda: not daemon.leftovers())
    registry.going.set()
    daemon.create(pod("web", "true", container={"image": f"{registry.host}/stall:1"}))
    daemon.phase("web", "Succeeded")


def test_a_layer_that_is_not_what_its_digest_says(daemon, registry, pod):
    before = layers(daemon)
    image = f"{registry.host}/corrupt:1"
    daemon.create(pod("web", "true", container={"image": image}))
    message = daemon.told("web", "Failed", "Failed to pull image")
    assert "sha256:" in message
    said = daemon.pyrt("image", "pull", image)
    assert said.code == 1
    assert "digest" in said.err
    assert debris(daemon) == []
    assert layers(daemon) == before


@pytest.mark.parametrize("image", ["Upper/Case", "busybox:", "busybox@sha256:123", "-x", "a b"])
def test_a_name_that_is_none(daemon, pod, image):
    daemon.create(pod("web", "true", container={"image": image}))
    waiting = daemon.waiting("web", "InvalidImageName")
    assert image in waiting["message"]
    assert daemon.row("web")[2] == "InvalidImageName"
    daemon.told("web", "InspectFailed", image)
    daemon.told("web", "Failed", "Error: InvalidImageName")


def test_policy_never(daemon, pod):
    daemon.create(pod("web", "true", container={"image": "busybox:none", "imagePullPolicy": "Never"}))
    message = 'Container image "busybox:none" is not present with pull policy of Never'
    assert daemon.waiting("web", "ErrImageNeverPull")["message"] == message
    daemon.told("web", "Failed", "Error: ErrImageNeverPull")
    assert daemon.told("web", "ErrImageNeverPull", "") == message
    assert daemon.row("web")[2] == "ErrImageNeverPull"


def test_an_image_in_use_is_kept(daemon, pod):
    daemon.create(pod("web", "sleep 1000"))
    daemon.running("web")
    said = daemon.pyrt("image", "rm", "busybox:1.36")
    assert said.code == 1
    assert "busybox:1.36" in said.err
    assert "use" in said.err


def test_an_archive_that_is_none(daemon):
    file = daemon.file.parent / "no.tar"
    file.write_bytes(b"this is no tar" * 1000)
    said = daemon.pyrt("image", "import", str(file))
    file.unlink()
    assert said.code == 1
    assert said.err.startswith(("error: ", "Error from server"))
    assert debris(daemon) == []


def test_a_pod_that_never_began_is_deleted_at_once(daemon, pod):
    """No grace is waited for where nothing runs."""
    volume = {"name": "v", "hostPath": {"path": "/no/such", "type": "Directory"}}
    daemon.create(pod("image", "true", container={"image": "127.0.0.1:1/app:v1"}, terminationGracePeriodSeconds=3600))
    daemon.create(pod("volume", "true", volumes=[volume], terminationGracePeriodSeconds=3600))
    daemon.create(pod("user", "true", container={"image": "ghost:1"}, terminationGracePeriodSeconds=3600))
    daemon.waiting("image", "ErrImagePull", "ImagePullBackOff")
    daemon.event("volume", "FailedMount")
    daemon.waits_with("user", "ghost")
    assert daemon.pyrt("delete", "pod", "image", "volume", "user").code == 0
    daemon.until(lambda: not daemon.leftovers() and not daemon.pod_processes())
