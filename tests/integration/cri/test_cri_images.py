"""ImageService as a kubelet calls it: a daemon with its CRI socket, registries on the loopback, and what is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import msgspec
import pytest

from pyrt.config import Config
from pyrt.config.images import Mirror
from pyrt.cri import runtime_pb2 as pb
from rootfs import build, registry
from rootfs.layer import Layer
from rootfs.layout import Image as Built
from rootfs.layout import Layout
from tests.integration.cri.images_client import Images, images_of
from tests.integration.daemon.conftest import layout  # noqa: F401 - a fixture
from tests.integration.lifecycle.conftest import FOREVER, IMAGE, Instance, make_pod, running

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "docker.io/pyrt/"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout with the test images."""
    out = tmp_path_factory.mktemp("images") / "layout"
    build.build(out, ("busybox", "tests"), ROOT / ".cache/rootfs")
    return out


def tags(out: Path) -> str:
    """A layout with one image of three tags; its repository digest."""
    own = Layout(out, "amd64")
    image = own.image(Built([Layer().file("tags", "2\n")], {"User": "1003:1004"}))
    own.name(image, *(f"{PREFIX}tags:{tag}" for tag in "123"))
    own.close()
    return f"{PREFIX}tags@{image['digest']}"


@pytest.fixture(scope="module")
def url(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that has them."""
    directory, port = tmp_path_factory.mktemp("registry"), registry.free_port()
    registry.start(directory, port)
    try:
        registry.push(built, f"http://127.0.0.1:{port}")
        tags(directory / "tags")
        registry.push(directory / "tags", f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        registry.stop(directory)


@pytest.fixture(scope="module")
def locked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with a password (user alice, password wonder), which has them too; its host."""
    directory, port = tmp_path_factory.mktemp("locked"), registry.free_port()
    # htpasswd -nbBC 4 alice wonder
    (directory / "htpasswd").write_text("alice:$2b$04$abcdefghijklmnopqrstuuetGRvO6QNMBbbIoo5tpQkbPXg26U9Qu\n")
    registry.start(directory, port, {"auth": {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}})
    try:
        registry.push(built, f"http://127.0.0.1:{port}", "alice:wonder")
        yield f"127.0.0.1:{port}"
    finally:
        registry.stop(directory)


@pytest.fixture(scope="module")
def daemon(layout: Path, url: str) -> Iterator[Instance]:  # noqa: F811
    """A daemon whose docker.io is the registry, with its CRI socket open."""

    def change(config: Config) -> Config:
        changed = msgspec.structs.replace(
            config.images, mirrors={"docker.io": Mirror(url=url)}, pinned=["pyrt/stopsignal:*"]
        )
        return msgspec.structs.replace(config, images=changed, cri=msgspec.structs.replace(config.cri, enabled=True))

    with running(layout, "cri-images", change) as instance:
        yield instance


@pytest.fixture
def images(daemon: Instance) -> Iterator[Images]:
    """A client of ImageService; what its test has pulled is gone afterwards."""
    with images_of(daemon.config) as client:
        before = {image.id for image in client.all()}
        yield client
        for image in client.all():
            if image.id not in before:
                client.remove(image.id)


def test_an_image_by_tag(images: Images) -> None:
    reference = images.pull("pyrt/nonroot")
    status = images.status("pyrt/nonroot")
    assert status.id == reference
    assert status.id.startswith("sha256:")
    assert list(status.repo_tags) == [f"{PREFIX}nonroot:latest"]
    [digest] = status.repo_digests
    assert digest.startswith(f"{PREFIX}nonroot@sha256:")
    assert status.size > 1000
    assert (status.uid.value, status.username, status.pinned) == (65532, "", False)
    assert status.spec.image == reference
    for name in (
        reference,
        reference[7:],
        reference[7:20],
        f"{PREFIX}nonroot:latest",
        digest,
        f"pyrt/nonroot:x{digest[digest.index('@') :]}",
    ):
        assert images.status(name) == status
    assert [image for image in images.all() if image.id == reference] == [status]
    assert images.streamed() == images.all()


def test_an_image_by_digest_has_no_tag(images: Images) -> None:
    images.pull("pyrt/user")
    [digest] = images.status("pyrt/user").repo_digests
    images.remove("pyrt/user")
    images.pull(digest)
    status = images.status(digest)
    assert (list(status.repo_tags), list(status.repo_digests)) == ([], [digest])
    assert not images.status("pyrt/user").id


def test_users(images: Images) -> None:
    images.pull("pyrt/username")
    status = images.status("pyrt/username")
    assert (status.HasField("uid"), status.username) == (False, "www-data")
    images.pull("pyrt/tags:1")
    assert images.status("pyrt/tags:1").uid.value == 1003


def test_tags_of_one_image_and_removing_it_by_any(images: Images) -> None:
    ids = {images.pull(f"pyrt/tags:{tag}") for tag in "123"}
    assert len(ids) == 1
    [image] = [image for image in images.all() if image.id in ids]
    assert sorted(image.repo_tags) == [f"{PREFIX}tags:{tag}" for tag in "123"]
    images.remove("pyrt/tags:2")
    assert not any(images.status(name).id for name in (*ids, "pyrt/tags:1", "pyrt/tags:2", "pyrt/tags:3"))
    images.remove("pyrt/tags:2")  # as often as one likes


def test_removals_that_meet_all_succeed(images: Images) -> None:
    reference = images.pull("pyrt/layers")
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda _: images.remove(reference), range(5)))
    assert not images.status(reference).id


def test_pulls_that_meet(images: Images) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: images.pull("pyrt/zstd"), range(8)))
    assert len(found) == 1


def test_a_filter_names_one(images: Images) -> None:
    reference = images.pull("pyrt/volume")
    assert [image.id for image in images.all("pyrt/volume")] == [reference]
    assert images.all("pyrt/other") == []


def test_verbose(images: Images) -> None:
    images.pull("pyrt/volume")
    info = json.loads(images.verbose("pyrt/volume")["info"])
    assert info["imageSpec"]["config"]["Labels"] == {"org.example.kind": "volume"}
    assert info["chainID"] == info["imageSpec"]["rootfs"]["diff_ids"][0]
    assert images.verbose("pyrt/absent") == {}


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("pyrt/absent", grpc.StatusCode.NOT_FOUND, 'failed to pull image "docker.io/pyrt/absent:latest": registry'),
        ("pyrt/foreign", grpc.StatusCode.UNKNOWN, "no match for platform"),
        ("UPPER", grpc.StatusCode.INVALID_ARGUMENT, "repository name (library/UPPER) must be lowercase"),
        ("", grpc.StatusCode.INVALID_ARGUMENT, "invalid reference format"),
        ("localhost:1/nobody", grpc.StatusCode.UNKNOWN, "RegistryUnavailable: failed to pull image"),
    ],
)
def test_what_the_kubelet_is_told(images: Images, name: str, code: grpc.StatusCode, text: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        images.pull(name)
    assert caught.value.code() is code
    assert text in caught.value.details()
    assert name != "localhost:1/nobody" or caught.value.details().startswith("RegistryUnavailable")


def test_a_deadline_ends_the_pull(images: Images, daemon: Instance) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        images.pull("pyrt/plain", timeout=0.001)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert images.pull("pyrt/plain")
    ingest = daemon.config.paths.root / "images/ingest"
    assert list(ingest.iterdir()) == []


def test_the_kubelets_identity_and_no_other(images: Images, daemon: Instance, locked: str) -> None:
    name = f"{locked}/pyrt/entrypoint"
    refused = "pull access denied, repository does not exist or may require authorization"
    wrong = pb.AuthConfig(username="alice", password="opensesame")
    elsewhere = pb.AuthConfig(username="alice", password="wonder", server_address="other.example")
    for auth in (None, wrong, elsewhere):
        with pytest.raises(grpc.RpcError, match=refused):
            images.pull(name, auth)
    with pytest.raises(grpc.RpcError, match="not base64 of user:password"):
        images.pull(name, pb.AuthConfig(auth="nonsense!"))
    assert images.pull(name, pb.AuthConfig(username="alice", password="wonder"))
    images.remove(name)
    assert images.pull(name, pb.AuthConfig(auth="YWxpY2U6d29uZGVy", server_address=locked))  # alice:wonder
    log = daemon.log.read_text()
    assert not any(secret in log for secret in ("wonder", "opensesame", "nonsense!", "YWxpY2U6d29uZGVy"))


def test_pinned_by_the_configuration(images: Images) -> None:
    images.pull("pyrt/stopsignal")
    assert images.status("pyrt/stopsignal").pinned


def test_what_the_operators_pods_run_on_is_pinned_and_stays(images: Images, daemon: Instance) -> None:
    assert not images.status(IMAGE).pinned
    daemon.create(make_pod("web", FOREVER))
    daemon.state("web", "app", "running")
    assert images.status(IMAGE).pinned
    with pytest.raises(grpc.RpcError) as caught:
        images.remove(IMAGE)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    daemon.delete("web", 0)
    daemon.until(lambda: not images.status(IMAGE).pinned)


def test_what_a_kubelet_has_pulled_is_not_pruned_for_want_of_a_tag(images: Images, daemon: Instance) -> None:
    images.pull("pyrt/user")
    [digest] = images.status("pyrt/user").repo_digests
    images.remove("pyrt/user")
    reference = images.pull(digest)
    daemon.pyrt("image", "prune", "--yes")
    assert images.status(reference).id == reference


def test_file_systems(images: Images, daemon: Instance) -> None:
    before, containers = images.file_systems()
    assert Path(before.fs_id.mountpoint).is_dir()
    assert before.fs_id == containers.fs_id
    assert containers.inodes_used.value > 0
    images.pull("pyrt/layers")
    after, _ = images.file_systems()
    assert after.used_bytes.value > before.used_bytes.value
    assert after.inodes_used.value > before.inodes_used.value
    assert after.timestamp > before.timestamp
    images.remove("pyrt/layers")
    again, _ = images.file_systems()
    assert again.used_bytes.value == before.used_bytes.value
