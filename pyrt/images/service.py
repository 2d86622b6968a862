"""The images of this machine: the one object through which everything else asks for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pyrt.ids import ImageId
from pyrt.images.settings import ImageSettings
from pyrt.images.types import ArchiveFormat, DiskUsage, Image, LayerInfo, Progress, PullPolicy, Removal


class ImageService:
    """Pulls, lists and removes images. One per daemon; every method is to be called on its event loop."""

    def __init__(
        self, settings: ImageSettings, store: object, *, in_use: Callable[[], Collection[ImageId]] = tuple
    ) -> None:
        """``in_use`` names the images that containers of this instance run on: their layers are never deleted."""
        raise NotImplementedError

    async def start(self) -> None:
        """Read the records, collect what an earlier crash left behind."""
        raise NotImplementedError

    async def close(self) -> None:
        """Cancel pulls under way and close connections."""
        raise NotImplementedError

    def get(self, ref: str) -> Image | None:
        """The image that ``ref`` (a name, ``name@digest``, an id or an unambiguous prefix of one) means here."""
        raise NotImplementedError

    def list(self) -> tuple[Image, ...]:
        """Every image, by name."""
        raise NotImplementedError

    async def pull(
        self,
        ref: str,
        *,
        policy: PullPolicy = PullPolicy.IF_NOT_PRESENT,
        secrets: Sequence[str | bytes] = (),
        progress: Progress | None = None,
    ) -> Image:
        """Make ``ref`` present. ``secrets`` are the docker config JSONs of imagePullSecrets."""
        raise NotImplementedError

    async def remove(self, ref: str, *, force: bool = False, all_names: bool = False) -> Removal:
        """Remove a name; with its last name, or when ``ref`` is an id, the image. CRI's RemoveImage is ``force=True, all_names=True``."""
        raise NotImplementedError

    async def import_(self, path: Path, *, name: str = "", progress: Progress | None = None) -> tuple[Image, ...]:
        """Read an OCI layout (directory or tar) or a docker-archive."""
        raise NotImplementedError

    async def save(self, refs: Sequence[str], path: Path, *, format: ArchiveFormat = ArchiveFormat.OCI_ARCHIVE) -> None:
        """Write images to ``path``."""
        raise NotImplementedError

    async def prune(self, *, all_unused: bool = False) -> Removal:
        """Delete images without a name, or (``all_unused``) all that no container uses."""
        raise NotImplementedError

    async def usage(self) -> DiskUsage:
        """Measure the store."""
        raise NotImplementedError

    def layers(self, ref: str) -> tuple[LayerInfo, ...]:
        """The layers of an image, lowest first."""
        raise NotImplementedError
