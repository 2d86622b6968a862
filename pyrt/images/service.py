"""The images of this machine: the one object through which everything else asks for them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from pathlib import Path

import msgspec

from pyrt.config.images import Images
from pyrt.errors import PyrtError
from pyrt.ids import Digest, ImageId
from pyrt.images.acquire import Workshop, acquire, named, resolve
from pyrt.images.blobs import BlobStore
from pyrt.images.catalog import Catalog, ImageRecord, layer_keys
from pyrt.images.credentials import Keyring
from pyrt.images.endpoints import open_source
from pyrt.images.errors import (
    ImageError,
    ImageInUseError,
    InvalidReferenceError,
    NeverPullError,
    NotFoundError,
    UnavailableError,
)
from pyrt.images.export import Selected, export
from pyrt.images.layers import LayerStore
from pyrt.images.local import LocalSource, open_archive
from pyrt.images.manifest import host_platform
from pyrt.images.pins import Pins
from pyrt.images.progress import Audience
from pyrt.images.reference import Reference, parse_reference
from pyrt.images.source import Source
from pyrt.images.types import ArchiveFormat, DiskUsage, Image, LayerInfo, Progress, PullPolicy, Removal
from pyrt.store import Store

_log = logging.getLogger(__name__)


class _Pull:
    """One pull under way, and those who wait for it."""

    def __init__(self) -> None:
        self.audience = Audience()
        self.waiting = 0
        self.task: asyncio.Task[Image] | None = None


class ImageService:
    """Pulls, lists and removes images. One per daemon; every method is to be called on its event loop.

    Errors are of :mod:`pyrt.images.errors`; each names the image and where it was asked for.
    """

    def __init__(
        self,
        root: Path,
        settings: Images,
        store: Store,
        *,
        in_use: Callable[[], Collection[ImageId]] = tuple,
        unpacker: Path | None = None,
    ) -> None:
        """Keep blobs in ``root/images`` and unpacked layers in ``root/layers``.

        ``in_use`` names the images that containers of this instance run on: their layers are never deleted.
        ``unpacker`` is the pyrt-unpack program, if not the installed one.
        """
        self._root = root
        self._settings = settings
        self._blobs = BlobStore(root / "images")
        self._layers = LayerStore(root / "layers", store.table("layers"))
        self._catalog = Catalog(store.table("images"), self._blobs, self._layers)
        self._workshop = Workshop(self._blobs, self._layers, settings, host_platform(), self._catalog.record, unpacker)
        self._pins = Pins(settings.pinned)
        self._in_use = in_use
        self._pulls: dict[object, _Pull] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._litter = False

    async def start(self) -> None:
        """Read the records, collect what an earlier crash left behind."""
        self._blobs.prepare()
        await self._layers.prepare()
        for loss in self._catalog.prepare():
            _log.warning("%s; pull it again", loss)
        # Layers of a pull that a crash or an error ended stay for the next try, until something is pruned.
        self._spawn(self._layers.settle)  # what an earlier daemon did not live to see on disk

    async def close(self) -> None:
        """Cancel pulls under way, and wait until they have cleaned up."""
        tasks = [pull.task for pull in self._pulls.values() if pull.task is not None]
        for task in (*tasks, *self._background):
            task.cancel()
        await asyncio.gather(*tasks, *self._background, return_exceptions=True)

    def get(self, ref: str) -> Image | None:
        """The image that ``ref`` (a name, ``name@digest``, an id or an unambiguous prefix of one) means here."""
        return self._catalog.get(ref)

    def list(self) -> tuple[Image, ...]:
        """Every image, by name; those without a name last."""
        return self._catalog.images()

    def layers(self, ref: str) -> tuple[LayerInfo, ...]:
        """The layers of an image, lowest first."""
        record = self._record(ref)
        return tuple(
            LayerInfo(layer.digest, layer.diff_id, layer.size, unpacked.bytes, self._layers.path(unpacked))
            for layer, unpacked in zip(record.layers, self._catalog.layer_records(record), strict=True)
        )

    async def pull(
        self,
        ref: str,
        *,
        policy: PullPolicy = PullPolicy.IF_NOT_PRESENT,
        secrets: Sequence[str | bytes] = (),
        keyring: Keyring | None = None,
        progress: Progress | None = None,
    ) -> Image:
        """Make ``ref`` present, as ``policy`` says. ``secrets`` are the docker config JSONs of imagePullSecrets;
        ``keyring`` takes the place of them and of this machine's own credentials.

        Pulls of one name that meet are one pull. A caller that is cancelled leaves it to the others; the last one ends
        it.
        """
        if policy is not PullPolicy.ALWAYS:
            present = self._catalog.named(ref)
            if present is not None:
                return present
        try:
            reference = parse_reference(ref)
        except InvalidReferenceError as error:
            raise InvalidReferenceError(f'Failed to apply default image tag "{ref}": {error.message}') from error
        if policy is PullPolicy.NEVER:
            raise NeverPullError(f'Container image "{ref}" is not present with pull policy of Never')
        # Who may not read an image must not get it through another's pull that happens to be under way.
        key = (reference.canonical, tuple(secrets), keyring)
        return await self._join(key, lambda pull: self._pull(reference, secrets, keyring, pull), progress)

    def manage(self, image: ImageId) -> None:
        """Note that a kubelet looks after this image: it decides when it goes. Nothing happens if it is gone."""
        self._catalog.manage(image)

    def pinned(self, image: Image) -> bool:
        """Whether the configuration says that it stays, used or not."""
        return self._pins.hold(image)

    def configuration(self, image: ImageId) -> bytes:
        """The JSON document that ``image`` is the digest of. Raises :class:`NotFoundError`."""
        return self._blobs.read(self._record(image).id)

    async def _join(
        self, key: object, begin: Callable[[_Pull], Coroutine[object, object, Image]], progress: Progress | None
    ) -> Image:
        pull = self._pulls.get(key)
        if pull is None:
            pull = self._pulls[key] = _Pull()
            pull.task = asyncio.create_task(begin(pull))
            pull.task.add_done_callback(lambda _: self._pulls.pop(key, None))
        assert pull.task is not None
        leave = pull.audience.join(progress) if progress is not None else lambda: None
        pull.waiting += 1
        try:
            return await asyncio.shield(pull.task)
        except asyncio.CancelledError:
            if pull.waiting == 1 and not pull.task.done():
                pull.task.cancel()
                await asyncio.gather(pull.task, return_exceptions=True)
            raise
        finally:
            pull.waiting -= 1
            leave()

    async def _pull(
        self, reference: Reference, secrets: Sequence[str | bytes], keyring: Keyring | None, pull: _Pull
    ) -> Image:
        timeout = self._settings.pull_timeout_seconds
        try:
            async with asyncio.timeout(timeout), contextlib.AsyncExitStack() as stack:
                source = await open_source(self._settings, reference, secrets, keyring)
                stack.push_async_callback(source.close)
                return await self._acquire(source, reference, pull.audience.tell)
        except ImageError as error:
            raise _about(error, f'failed to pull image "{reference}"') from error
        except TimeoutError as error:
            raise UnavailableError(
                f"not complete after {timeout} seconds", subject=f'failed to pull image "{reference}"'
            ) from error

    async def _acquire(self, source: Source, reference: Reference, progress: Progress) -> Image:
        with self._workshop.at_work():
            resolved = await resolve(source, reference, self._workshop.platform)
            record = await acquire(self._workshop, source, reference, resolved, progress)
            image = self._catalog.add(named(record, reference, resolved.top.digest))
        self._spawn(self._layers.settle)
        if self._litter:
            await self._collect()
        return image

    async def remove(self, ref: str, *, force: bool = False, all_names: bool = False) -> Removal:
        """Remove a name; with its last tag, or when ``ref`` is an id, the image.

        An image that a container uses is refused (:class:`ImageInUseError`) unless ``force``: then it is gone from
        every list at once, and its files with the last container. CRI's RemoveImage is ``force=True, all_names=True``.
        """
        record = self._record(ref)
        names = (*record.tags, *record.digests)
        try:
            name = parse_reference(ref).canonical
        except InvalidReferenceError:
            name = ""
        others = [tag for tag in record.tags if tag != name]
        if name in names and others and not all_names:
            self._catalog.unname(record.id, (name,))
            return Removal(untagged=(name,))
        if record.id in self._in_use():
            if not force:
                raise ImageInUseError("a container uses it", subject=f"image {ref}", operation="remove")
            self._catalog.hide(record.id)
        else:
            self._catalog.forget(record.id)
        return Removal(names, (record.id,), await self._collect())

    async def prune(self, *, all_unused: bool = False) -> Removal:
        """Delete images without a tag, or (``all_unused``) all that no container uses, and what failed pulls left.

        Pinned ones stay, and without ``all_unused`` a kubelet's, which may well have asked for a digest.
        """
        used = set(self._in_use())
        doomed = [
            record
            for record in self._catalog.records()
            if record.id not in used
            and (record.hidden or not self._pins.hold(record))
            and (all_unused or record.hidden or not (record.tags or record.managed))
        ]
        for record in doomed:
            self._catalog.forget(record.id)
        untagged = tuple(name for record in doomed for name in (*record.tags, *record.digests))
        return Removal(untagged, tuple(record.id for record in doomed), await self._collect())

    async def import_(self, path: Path, *, name: str = "", progress: Progress | None = None) -> tuple[Image, ...]:
        """Read an OCI layout (directory or tar) or a docker-archive. ``name`` replaces the name of a single image."""
        subject = f"failed to import {path}"
        tell = progress or (lambda _: None)
        try:
            with self._blobs.scratch() as scratch:
                source = await asyncio.to_thread(open_archive, path, scratch)
                wanted = _import_names(source, name, str(path))
                return tuple([await self._import_one(source, each, tags, tell) for each, tags in wanted])
        except InvalidReferenceError:
            raise
        except ImageError as error:
            raise _about(error, subject) from error

    async def _import_one(self, source: LocalSource, key: str, tags: tuple[str, ...], progress: Progress) -> Image:
        reference = Reference("localhost", "import", digest=Digest(source.names[key].digest))
        with self._workshop.at_work():
            resolved = await resolve(source, reference, self._workshop.platform)
            record = await acquire(self._workshop, source, reference, resolved, progress)
            # The manifest of a docker-archive is our own making: no registry knows its digest.
            repositories = () if source.synthetic else dict.fromkeys(tag.rpartition(":")[0] for tag in tags)
            digests = tuple(f"{repository}@{resolved.top.digest}" for repository in repositories)
            image = self._catalog.add(msgspec.structs.replace(record, tags=tags, digests=digests))
        self._spawn(self._layers.settle)
        return image

    async def save(
        self, refs: Sequence[str], path: Path, *, archive_format: ArchiveFormat = ArchiveFormat.OCI_ARCHIVE
    ) -> None:
        """Write images to ``path``, byte for byte as they were pulled. Needs the setting ``keep_blobs``."""
        selected = [self._select(ref) for ref in refs]
        with self._workshop.at_work():
            await asyncio.to_thread(export, self._blobs, selected, path, archive_format)

    def _select(self, ref: str) -> Selected:
        record = self._record(ref)
        try:
            name = parse_reference(ref).canonical
        except InvalidReferenceError:
            name = ""
        return Selected(record, (name,) if name in record.tags else record.tags)

    async def usage(self) -> DiskUsage:
        """What the store holds, by its records."""
        blobs, layers = self._blobs.all(), self._layers.all()
        used = set(self._in_use())
        needed_layers, needed_blobs = self._needed(record for record in self._catalog.records() if record.id in used)
        total = sum(blobs.values()) + sum(layer.bytes for layer in layers.values())
        needed = sum(layers[key].bytes for key in needed_layers) + sum(blobs.get(key, 0) for key in needed_blobs)
        return DiskUsage(
            path=self._root,
            images=len(self._catalog.images()),
            layers=len(layers),
            bytes=total,
            inodes=len(blobs) + sum(layer.entries + 1 for layer in layers.values()),
            reclaimable=total - needed,
        )

    def _record(self, ref: str) -> ImageRecord:
        image = self._catalog.get(ref)
        record = self._catalog.record(image.id) if image is not None else None
        if record is None:
            raise NotFoundError("no such image on this machine", subject=f"image {ref}")
        return record

    def _needed(self, records: Iterable[ImageRecord]) -> tuple[set[Digest], set[Digest]]:
        """The layer keys and blobs that ``records`` rest on."""
        layers, blobs = set[Digest](), set[Digest]()
        known = self._layers.all()
        for record in records:
            layers.update(chain if chain in known else diff for diff, chain in layer_keys(record))
            blobs |= record.blobs
        return layers & known.keys(), blobs

    async def _collect(self) -> int:
        """Delete what no image needs; the bytes given back. Put off while something is being pulled."""
        self._litter = self._workshop.active > 0
        if self._litter:
            return 0
        used = set(self._in_use())
        for record in self._catalog.records():
            if record.hidden and record.id not in used:
                self._catalog.forget(record.id)
        layers, blobs = self._needed(self._catalog.records())
        freed = sum(self._blobs.remove(digest) for digest in self._blobs.all() if digest not in blobs)
        return freed + await self._layers.remove([key for key in self._layers.all() if key not in layers])

    def _spawn(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        task = asyncio.create_task(_logged(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _logged(work: Callable[[], Coroutine[object, object, None]]) -> None:
    try:
        await work()
    except (PyrtError, OSError) as error:
        _log.warning("image store: %s", error)


def _about(error: ImageError, subject: str) -> ImageError:
    """The same error, told of what the user asked for."""
    return type(error)(str(error), subject=subject)


def _import_names(source: LocalSource, name: str, path: str) -> list[tuple[str, tuple[str, ...]]]:
    """(key in the source, tags) of each image in it."""
    by_digest: dict[str, list[str]] = {}
    for key, descriptor in source.names.items():
        by_digest.setdefault(descriptor.digest, []).append(key)
    if not by_digest:
        raise NotFoundError("it holds no image", subject=path)
    if not name:
        return [(keys[0], tuple(key for key in keys if not key.startswith("#"))) for keys in by_digest.values()]
    if len(by_digest) > 1:
        raise InvalidReferenceError(f"{path} holds {len(by_digest)} images, which cannot all be named {name}")
    reference = parse_reference(name)
    if reference.digest is not None:
        raise InvalidReferenceError(f"{name}: an imported image is named by a tag")
    return [(keys[0], (reference.canonical,)) for keys in by_digest.values()]
