"""Which unused images go when their file system fills: the longest unused first (kubelet,
``pkg/kubelet/images/image_gc_manager.go``).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyrt.config.images import Images
from pyrt.ids import ImageId
from pyrt.images.errors import ImageError, ImageInUseError, NotFoundError
from pyrt.images.service import ImageService
from pyrt.images.types import Image

log = logging.getLogger(__name__)

EVERY_SECONDS = 300
"""Between two looks."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """When an image was first seen, and last seen in use; Unix nanoseconds."""

    first: int
    used: int = 0


def sighted(
    before: Mapping[ImageId, Sighting], present: Iterable[ImageId], used: Collection[ImageId], now: int
) -> dict[ImageId, Sighting]:
    """Note what is there and what is in use at ``now``."""
    found = {}
    for image in present:
        known = before.get(image) or Sighting(now)
        found[image] = Sighting(known.first, now) if image in used else known
    return found


def order(sightings: Mapping[ImageId, Sighting], now: int, min_age: int) -> list[ImageId]:
    """Those that may go, the first to go first: neither in use at ``now`` nor younger than ``min_age`` nanoseconds."""
    old = [i for i, seen in sightings.items() if seen.used != now and now - seen.first >= min_age]
    return sorted(old, key=lambda image: (sightings[image].used, sightings[image].first))


def to_free(capacity: int, available: int, high: int, low: int) -> int:
    """Bytes that have to go: none below ``high`` percent of use, else down to ``low``."""
    if high >= 100 or capacity <= 0 or 100 - available * 100 // capacity < high:
        return 0
    return max(capacity * (100 - low) // 100 - available, 0)


class ImageCollector:
    """Remembers which images are used, and removes those that are not."""

    def __init__(
        self,
        images: ImageService,
        settings: Images,
        root: Path,
        in_use: Callable[[], Collection[ImageId]],
        *,
        kubelet: bool = False,
    ) -> None:
        """``kubelet``: one is there, and collects the images that it has pulled itself."""
        self._images = images
        self._kubelet = kubelet
        self._settings = settings
        self._root = root
        self._in_use = in_use
        self._seen: dict[ImageId, Sighting] = {}

    async def collect(self, now: int) -> str:
        """Bring the file system below its threshold, if it is above; a complaint if not enough could be had."""
        self._look(now)
        space = os.statvfs(self._root)
        capacity, available = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
        settings = self._settings
        wanted = to_free(capacity, available, settings.gc_high_percent, settings.gc_low_percent)
        if not wanted:
            return ""
        log.info(
            "images: the file system is %d %% full; %d bytes to be freed", 100 - available * 100 // capacity, wanted
        )
        freed = await self.remove_unused(now, wanted)
        if freed >= wanted:
            return ""
        return (
            "Failed to garbage collect required amount of images. "
            f"Attempted to free {wanted} bytes, but only found {freed} bytes eligible to free."
        )

    async def remove_unused(self, now: int, enough: int | None = None) -> int:
        """Remove images that nothing uses until ``enough`` bytes are free; ``None``: all. The bytes freed."""
        self._look(now)
        freed = 0
        for image in order(self._seen, now, self._settings.gc_min_age_seconds * 1_000_000_000):
            if enough is not None and freed >= enough:
                break
            try:
                removal = await self._images.remove(image, all_names=True)
            except (ImageInUseError, NotFoundError):
                continue  # a container came, or another was quicker
            except ImageError as error:
                log.warning("images: %s", error)
                continue
            freed += removal.reclaimed
            log.info("images: %s removed, %d bytes", image, removal.reclaimed)
        return freed

    def _look(self, now: int) -> None:
        mine = [image.id for image in self._images.list() if not self._somebodys(image)]
        self._seen = sighted(self._seen, mine, self._in_use(), now)

    def _somebodys(self, image: Image) -> bool:
        return (self._kubelet and image.managed) or self._images.pinned(image)
