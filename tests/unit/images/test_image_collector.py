"""What the collector leaves alone besides what is used: the pinned, and, next to a kubelet, what that has pulled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pyrt.config.images import Images
from pyrt.ids import Digest, ImageId
from pyrt.images.collection import ImageCollector
from pyrt.images.service import ImageService
from pyrt.images.types import Image, ImageConfig, Removal


def image(name: str, *, managed: bool = False) -> Image:
    return Image(
        id=ImageId(f"sha256:{name}"),
        manifest_digest=Digest(f"sha256:{name}"),
        repo_tags=(f"docker.io/library/{name}:latest",),
        repo_digests=(),
        size=1,
        config=ImageConfig(),
        layers=(),
        managed=managed,
    )


class Service:
    """As much of an image service as the collector uses."""

    def __init__(self, *images: Image) -> None:
        self.images = {one.id: one for one in images}

    def list(self) -> tuple[Image, ...]:
        return tuple(self.images.values())

    def pinned(self, one: Image) -> bool:
        return "pause" in one.id

    async def remove(self, ref: str, **_: Any) -> Removal:
        del self.images[ImageId(ref)]
        return Removal(reclaimed=1)


async def left(*, kubelet: bool) -> set[str]:
    service = Service(image("pause"), image("theirs", managed=True), image("ours"), image("used"))
    collector = ImageCollector(
        cast(ImageService, service),
        Images(gc_min_age_seconds=0),
        Path("/"),
        lambda: {ImageId("sha256:used")},
        kubelet=kubelet,
    )
    await collector.remove_unused(1)
    return {one.removeprefix("sha256:") for one in service.images}


async def test_a_kubelets_images_stay_where_there_is_one() -> None:
    assert await left(kubelet=True) == {"pause", "theirs", "used"}


async def test_without_a_kubelet_they_are_like_others() -> None:
    assert await left(kubelet=False) == {"pause", "used"}
