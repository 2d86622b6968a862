"""Images from a real registry (Debian's docker-registry on the loopback), by the service that the daemon uses."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pyrt.config.images import Images, Mirror
from pyrt.ids import ImageId
from pyrt.images import errors
from pyrt.images.service import ImageService
from pyrt.images.types import ArchiveFormat, LayerProgress, LayerState, PullPolicy
from pyrt.store import Store
from rootfs import build, registry
from rootfs.layer import Layer
from rootfs.layout import Image as Built
from rootfs.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ("busybox", "tests")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout with the test images."""
    out = tmp_path_factory.mktemp("images") / "layout"
    build.build(out, RECIPES, ROOT / ".cache/rootfs")
    return out


@pytest.fixture(scope="session")
def url(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that has them."""
    directory, port = tmp_path_factory.mktemp("registry"), registry.free_port()
    registry.start(directory, port)
    try:
        registry.push(images, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        registry.stop(directory)


def settings(url: str = "", **changes: Any) -> Images:
    mirrors = {"docker.io": Mirror(url=url)} if url else {}
    return Images(**{"mirrors": mirrors, "auth_file": Path("/nonexistent/config.json"), **changes})


class Users:
    """The images that containers use, for the service to ask."""

    def __init__(self) -> None:
        self.images: set[ImageId] = set()

    def __call__(self) -> set[ImageId]:
        return self.images


@asynccontextmanager
async def service(root: Path, config: Images, users: Users | None = None) -> AsyncIterator[ImageService]:
    with Store(root) as store:
        running = ImageService(root, config, store, in_use=users or Users())
        await running.start()
        try:
            yield running
        finally:
            await running.close()


def run(*command: object) -> bytes:
    """A command that must succeed; its output."""
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE).stdout


def leftovers(root: Path) -> list[str]:
    """What an undertaking that failed may not leave: half-written files and directories."""
    return [*os.listdir(root / "images/ingest"), *(n for n in os.listdir(root / "layers") if n.startswith("."))]


@pytest.fixture
def disk(workdir: Path) -> Iterator[Path]:
    """A small file system of its own."""
    path = workdir / "disk"
    path.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=3m", "none", path)
    yield path
    run("umount", path)


def overlay_listing(layers: tuple[Path, ...], where: Path) -> dict[str, os.stat_result]:
    """The image's root as a container would see it: every path, and what lstat says of it."""
    where.mkdir()
    lower = ":".join(str(path) for path in reversed(layers))
    run("mount", "-t", "overlay", "-o", f"lowerdir={lower},ro", "none", where)
    try:
        found = {}
        for directory, names, files in os.walk(where):
            for name in (*names, *files):
                path = Path(directory, name)
                found[str(path.relative_to(where))] = path.lstat()
        return found
    finally:
        run("umount", where)


# --- pulling ---------------------------------------------------------------------------------------------------------


async def test_pull_by_tag_through_a_mirror_keeps_the_canonical_name(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        image = await images.pull("busybox:1.28")
        assert image.repo_tags == ("docker.io/library/busybox:1.28",)
        assert image.repo_digests[0].startswith("docker.io/library/busybox@sha256:")
        assert image.config.cmd == ("sh",)
        assert (image.layers[0] / "bin/sh").stat().st_nlink > 100
        assert image.size > 500_000
        for text in ("busybox:1.28", "docker.io/library/busybox:1.28", image.id, image.id[7:], image.id[7:19]):
            assert images.get(text) == image
        assert images.get("busybox") is None
        # For a pod the beginning of an id is a repository's name.
        with pytest.raises(errors.NeverPullError):
            await images.pull(image.id[7:19], policy=PullPolicy.NEVER)
        assert images.get("UPPER") is None


async def test_pull_straight_from_a_loopback_registry_over_plain_http(url: str, workdir: Path) -> None:
    host = url.removeprefix("http://")
    async with service(workdir, settings()) as images:
        image = await images.pull(f"{host}/library/busybox")
        assert image.repo_tags == (f"{host}/library/busybox:latest",)


async def test_pull_by_digest(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        digest = (await images.pull("busybox")).repo_digests[0].partition("@")[2]
        await images.prune(all_unused=True)
        image = await images.pull(f"busybox:ignored@{digest}")
        assert image.repo_tags == ()
        assert images.get(f"busybox@{digest}") == image


async def test_every_kind_of_content_is_as_the_recipe_says(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        for kind in ("layers", "zstd", "plain"):
            image = await images.pull(f"pyrt/{kind}")
            found = overlay_listing(image.layers, workdir / f"root-{kind}")
            data = {path for path in found if path.startswith("data/")}
            assert data == {
                "data/kept", "data/kept-too", "data/replaced", "data/opaque", "data/opaque/shown", "data/gone",
                "data/gone/again", "data/turned-dir", "data/turned-dir/inner", "data/fifo", "data/null", "data/suid",
                "data/owned", "data/link", "data/with-attribute",
            }  # fmt: skip
            assert stat.S_IMODE(found["data/suid"].st_mode) == 0o4755
            assert (found["data/owned"].st_uid, found["data/owned"].st_gid) == (1000, 1000)
            assert found["data/null"].st_rdev == os.makedev(1, 3)
            # The layer that has sticky/note has no entry for sticky: its mode comes from below.
            assert stat.S_IMODE(found["sticky"].st_mode) == 0o1777
            await images.prune(all_unused=True)
            assert os.listdir(workdir / "layers") == []


async def test_the_platform_is_chosen_from_an_index(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        image = await images.pull("pyrt/platforms")
        assert (image.layers[-1] / "platform").read_text() == {"x86_64": "amd64\n"}.get(os.uname().machine, "arm64\n")
        # By the index's digest and by that of the manifest in it.
        assert images.get(image.repo_digests[0]) == image
        assert images.get(f"pyrt/platforms@{image.manifest_digest}") == image


async def test_what_is_present_costs_nothing_and_what_is_shared_is_not_fetched(url: str, workdir: Path) -> None:
    seen: list[LayerProgress] = []
    async with service(workdir, settings(url)) as images:
        first = await images.pull("busybox", progress=seen.append)
        assert seen[-1].state is LayerState.DONE
        assert (seen[-1].done, seen[-1].total) == (first.size - _config_size(workdir, first.id),) * 2
        seen.clear()
        assert await images.pull("busybox", progress=seen.append) is first
        assert seen == []
        await images.pull("pyrt/user", progress=seen.append)
        assert {one.state for one in seen} == {LayerState.WAITING, LayerState.PRESENT}


def _config_size(root: Path, image: str) -> int:
    return (root / "images/blobs/sha256" / image.removeprefix("sha256:")).stat().st_size


async def test_policies(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        with pytest.raises(errors.NeverPullError) as caught:
            await images.pull("busybox", policy=PullPolicy.NEVER)
        assert str(caught.value) == 'Container image "busybox" is not present with pull policy of Never'
        assert caught.value.reason == "ErrImageNeverPull"
        image = await images.pull("busybox", policy=PullPolicy.ALWAYS)
        assert await images.pull("busybox", policy=PullPolicy.NEVER) is image
        assert await images.pull("busybox", policy=PullPolicy.ALWAYS) == image


async def test_a_tag_that_moved(url: str, workdir: Path) -> None:
    def publish(text: str) -> None:
        layout = Layout(workdir / text, "amd64")
        layout.name(layout.image(Built([Layer().file("version", text)])), "docker.io/pyrt/moving:latest")
        layout.close()
        registry.push(workdir / text, url)

    async with service(workdir, settings(url)) as images:
        publish("one")
        old = await images.pull("pyrt/moving")
        publish("two")
        assert await images.pull("pyrt/moving") is old
        new = await images.pull("pyrt/moving", policy=PullPolicy.ALWAYS)
        assert new.id != old.id
        assert images.get("pyrt/moving") == new
        left = images.get(old.id)
        assert left is not None
        assert left.repo_tags == ()
        assert (await images.prune()).deleted == (old.id,)


async def test_pulls_that_meet_are_one(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        pulled = await asyncio.gather(*(images.pull("pyrt/layers") for _ in range(20)))
        assert len({id(image) for image in pulled}) == 1
        # Different images with a layer in common, at the same time.
        await images.prune(all_unused=True)
        names = ("pyrt/layers", "pyrt/zstd", "pyrt/user", "busybox", "pyrt/platforms")
        await asyncio.gather(*(images.pull(name) for name in names))
        assert leftovers(workdir) == []
        base = {image.layers[0] for image in images.list()}
        assert len(base) == 1


async def test_a_cancelled_pull_leaves_nothing_and_others_go_on(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        begun = asyncio.Event()
        first = asyncio.create_task(images.pull("busybox", progress=lambda _: begun.set()))
        second = asyncio.create_task(images.pull("busybox"))
        await begun.wait()
        first.cancel()
        assert (await second).repo_tags
        await images.prune(all_unused=True)
        begun.clear()
        alone = asyncio.create_task(images.pull("busybox", progress=lambda _: begun.set()))
        await begun.wait()
        alone.cancel()
        await asyncio.gather(alone, return_exceptions=True)
        assert images.list() == ()
        assert leftovers(workdir) == []


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("nope", errors.NotFoundError, "not found: MANIFEST_UNKNOWN manifest unknown"),
        ("busybox:9", errors.NotFoundError, "not found"),
        ("busybox@sha256:" + "0" * 64, errors.NotFoundError, "not found"),
        ("pyrt/foreign", errors.NoMatchingPlatformError, "no match for platform in manifest"),
    ],
)
async def test_unknown_images(url: str, workdir: Path, name: str, kind: type[errors.ImageError], text: str) -> None:
    async with service(workdir, settings(url)) as images:
        with pytest.raises(kind) as caught:
            await images.pull(name)
    message = str(caught.value)
    assert message.startswith(f'failed to pull image "docker.io/{"" if "/" in name else "library/"}{name}')
    assert f"registry {url.removeprefix('http://')} (mirror of docker.io): " in message
    assert text in message


async def test_bad_names(workdir: Path) -> None:
    async with service(workdir, settings()) as images:
        with pytest.raises(errors.InvalidReferenceError) as caught:
            await images.pull("Nginx")
    assert str(caught.value) == (
        'Failed to apply default image tag "Nginx": couldn\'t parse image name "Nginx": invalid reference format: '
        "repository name (library/Nginx) must be lowercase"
    )


async def test_nobody_there(workdir: Path) -> None:
    port = registry.free_port()
    async with service(workdir, settings()) as images:
        with pytest.raises(errors.UnavailableError) as caught:
            await images.pull(f"127.0.0.1:{port}/x")
    assert str(caught.value) == (
        f'failed to pull image "127.0.0.1:{port}/x:latest": registry 127.0.0.1:{port}: connection refused'
    )


async def test_full_disk(url: str, disk: Path) -> None:
    disk.joinpath("blob").write_bytes(bytes(1_500_000))
    async with service(disk, settings(url)) as images:
        with pytest.raises(errors.StorageError, match="No space left on device") as caught:
            await images.pull("busybox")
        assert "docker.io/library/busybox:latest" in str(caught.value)
        assert leftovers(disk) == []
        # With room again the same pull succeeds.
        disk.joinpath("blob").unlink()
        await images.prune()
        run("mount", "-o", "remount,size=20m", disk)
        assert (await images.pull("busybox")).repo_tags


async def test_size_limits(url: str, workdir: Path) -> None:
    for change in ({"max_layer_bytes": 100_000}, {"max_image_bytes": 100_000}, {"max_layer_entries": 10}):
        async with service(workdir, settings(url, **change)) as images:
            with pytest.raises(errors.LimitError, match=r"more than the limit|larger than the limit"):
                await images.pull("busybox")
            assert leftovers(workdir) == []
            assert os.listdir(workdir / "layers") == []


# --- what stays ------------------------------------------------------------------------------------------------------


async def test_the_next_daemon_finds_everything(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        before = (await images.pull("pyrt/layers"), await images.pull("busybox"))
    (workdir / "layers/.tmp-crashed").mkdir()
    (workdir / "layers/unknown").mkdir()
    (workdir / "images/ingest/half").write_text("x")
    async with service(workdir, settings()) as images:
        assert (images.get("pyrt/layers"), images.get("busybox")) == before
        assert leftovers(workdir) == []
        assert not (workdir / "layers/unknown").exists()


async def test_layers_that_a_power_cut_may_have_hollowed_are_not_trusted(
    url: str, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service(workdir, settings(url)) as images:
        monkeypatch.setattr(images._layers, "settle", asyncio.Event().wait)  # The disk is slow.
        await images.pull("busybox")
    monkeypatch.setattr("pyrt.images.layers.current_boot_id", lambda: "the next boot")
    async with service(workdir, settings(url)) as images:
        assert images.get("busybox") is None
        assert (await images.pull("busybox")).repo_tags


async def test_an_image_with_a_lost_layer_is_not_there(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        image = await images.pull("busybox")
    shutil.rmtree(image.layers[0])
    async with service(workdir, settings(url)) as images:
        assert images.list() == ()
        assert (await images.pull("busybox")).layers[0].is_dir()


async def test_removing_names_and_images(url: str, workdir: Path) -> None:
    users = Users()
    async with service(workdir, settings(url), users) as images:
        image = await images.pull("busybox:1.28")
        await images.pull("busybox:latest")
        await images.pull("pyrt/user")
        removal = await images.remove("busybox:1.28")
        assert removal.untagged == ("docker.io/library/busybox:1.28",)
        assert removal.deleted == ()
        users.images = {image.id}
        with pytest.raises(errors.ImageInUseError):
            await images.remove("busybox:latest")
        await images.remove("busybox:latest", force=True)
        assert images.get("busybox:latest") is None
        assert images.get(image.id) is None
        assert [one.repo_tags for one in images.list()] == [("docker.io/pyrt/user:latest",)]
        await images.remove("pyrt/user")
        # The container still runs on the layer that both share.
        assert image.layers[0].is_dir()
        users.images = set()
        assert (await images.prune()).reclaimed > 1_000_000
        assert not image.layers[0].exists()
        with pytest.raises(errors.NotFoundError):
            await images.remove("pyrt/user")


async def test_cri_removes_all_names_at_once(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url)) as images:
        await images.pull("busybox:1.28")
        await images.pull("busybox:latest")
        removal = await images.remove("busybox:1.28", force=True, all_names=True)
        assert {"docker.io/library/busybox:1.28", "docker.io/library/busybox:latest"} <= set(removal.untagged)
        assert images.list() == ()
        assert (await images.usage()).bytes == 0


async def test_usage(url: str, workdir: Path) -> None:
    users = Users()
    async with service(workdir, settings(url), users) as images:
        image = await images.pull("busybox")
        await images.pull("pyrt/layers")
        usage = await images.usage()
        assert (usage.images, usage.layers) == (2, 4)
        assert usage.reclaimable == usage.bytes > image.size
        users.images = {image.id}
        assert 0 < (await images.usage()).reclaimable < usage.bytes


async def test_blobs_are_kept_only_if_wanted(url: str, workdir: Path) -> None:
    async with service(workdir, settings(url, keep_blobs=False)) as images:
        await images.pull("busybox")
        with pytest.raises(errors.NotFoundError, match=r"images\.keep_blobs"):
            await images.save(["busybox"], workdir / "out.tar")
        assert len(os.listdir(workdir / "images/blobs/sha256")) == 2
        assert not (workdir / "out.tar").exists()
    async with service(workdir, settings(url)) as images:
        # The layer is here, its compressed form is fetched for the other image that has it.
        await images.pull("pyrt/user")
        await images.save(["pyrt/user"], workdir / "out.tar")


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(ArchiveFormat))
async def test_save_and_import(url: str, workdir: Path, kind: ArchiveFormat) -> None:
    out = workdir / "saved"
    async with service(workdir / "one", settings(url)) as images:
        layered = await images.pull("pyrt/layers")
        await images.pull("busybox:latest")
        busybox = await images.pull("busybox:1.28")
        await images.save(["pyrt/layers", busybox.id], out, archive_format=kind)
    async with service(workdir / "two", settings()) as images:
        imported = await images.import_(out)
        assert {image.id for image in imported} == {layered.id, busybox.id}
        again = images.get("busybox:1.28")
        assert again is not None
        assert set(again.repo_tags) == set(busybox.repo_tags)
        assert again.manifest_digest == busybox.manifest_digest
        assert images.get("pyrt/layers") is not None
        # And what was imported can be saved again.
        await images.save(["busybox:latest"], workdir / "again", archive_format=kind)


async def test_a_saved_image_is_what_skopeo_reads(url: str, workdir: Path) -> None:
    async with service(workdir / "store", settings(url)) as images:
        image = await images.pull("busybox")
        for kind, transport in ((ArchiveFormat.OCI_LAYOUT, "oci"), (ArchiveFormat.DOCKER_ARCHIVE, "docker-archive")):
            await images.save(["busybox"], workdir / transport, archive_format=kind)
            shown = json.loads(run("skopeo", "inspect", "--config", f"{transport}:{workdir / transport}"))
            assert len(shown["rootfs"]["diff_ids"]) == len(image.layers)


async def test_import_of_what_skopeo_and_docker_write(images: Path, workdir: Path) -> None:
    source = f"oci:{images}:docker.io/pyrt/layers:latest"
    for transport, name in (("docker-archive", ":named/by:tag"), ("oci-archive", "")):
        target = workdir / transport
        run("skopeo", "copy", "-q", source, f"{transport}:{target}{name}")
    async with service(workdir / "store", settings()) as store:
        (docker,) = await store.import_(workdir / "docker-archive")
        assert docker.repo_tags == ("docker.io/named/by:tag",)
        (oci,) = await store.import_(workdir / "oci-archive", name="own:1")
        assert oci.id == docker.id
        assert store.get("own:1") is not None
        run("gzip", workdir / "docker-archive")
        await store.prune(all_unused=True)
        assert (await store.import_(workdir / "docker-archive.gz"))[0].id == docker.id
        assert leftovers(workdir / "store") == []


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b broken"])
async def test_import_of_nonsense(workdir: Path, content: bytes) -> None:
    (workdir / "x.tar").write_bytes(content)
    async with service(workdir / "store", settings()) as images:
        with pytest.raises(errors.ImageError) as caught:
            await images.import_(workdir / "x.tar")
        assert str(caught.value).startswith(f"failed to import {workdir}/x.tar: ")
        with pytest.raises(errors.ImageError, match="No such file"):
            await images.import_(workdir / "absent.tar")


async def test_a_layout_as_mirror(images: Path, workdir: Path) -> None:
    mirrors = {"docker.io": Mirror(layout=images)}
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(service(workdir, settings(mirrors=mirrors)))
        assert (await store.pull("busybox:1.28")).repo_tags == ("docker.io/library/busybox:1.28",)
        assert (await store.pull("pyrt/platforms")).repo_digests[0].startswith("docker.io/pyrt/platforms@sha256:")
        with pytest.raises(errors.NotFoundError) as caught:
            await store.pull("nope")
        assert f"OCI layout {images} (mirror of docker.io): not found" in str(caught.value)
