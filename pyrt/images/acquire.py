"""Bringing one image in from a source: manifest, configuration, layers; verified, unpacked, then recorded.

Nothing is recorded before everything is here, and what is here already is not fetched. When it fails in the middle, the
layers that were complete stay for the next try (and for the collector).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pyrt.config.images import Images
from pyrt.ids import Digest, ImageId
from pyrt.images.blobs import BlobStore
from pyrt.images.catalog import ImageRecord, LayerEntry
from pyrt.images.errors import DigestMismatchError, InvalidImageError, LimitError
from pyrt.images.layers import LayerRecord, LayerStore
from pyrt.images.manifest import (
    MAX_CONFIG,
    ConfigFile,
    Descriptor,
    Index,
    Manifest,
    Platform,
    chain_ids,
    choose,
    decode_config,
    decode_manifest,
)
from pyrt.images.progress import LayerMeter
from pyrt.images.reference import Reference
from pyrt.images.source import Fetched, Source
from pyrt.images.types import LayerState, Progress
from pyrt.images.unpack import Unpacked, unpack

_MAX_INDEX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Resolved:
    """A name turned into one image's manifest."""

    top: Fetched
    """What the name means: a manifest, or the index that leads to it."""
    own: Fetched
    """The platform's manifest."""
    manifest: Manifest

    @property
    def documents(self) -> tuple[Fetched, ...]:
        """Both, once if they are the same."""
        return (self.own,) if self.own.digest == self.top.digest else (self.own, self.top)


@dataclass(slots=True)
class Workshop:
    """What acquisitions share: the stores, the limits, and the layers that are being unpacked now."""

    blobs: BlobStore
    layers: LayerStore
    settings: Images
    platform: Platform
    known: Callable[[ImageId], ImageRecord | None]
    """The record of an image that is here already."""
    program: Path | None = None
    active: int = 0
    """Acquisitions under way: nothing may be collected meanwhile, since it may be what they found to be here."""
    busy: dict[Digest, asyncio.Event] = field(default_factory=dict)
    """Layers being unpacked, by diff id: whoever else needs one waits."""

    @contextlib.contextmanager
    def at_work(self) -> Generator[None, None, None]:
        """Hold off the collector."""
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1


async def resolve(source: Source, reference: Reference, platform: Platform) -> Resolved:
    """Find the manifest for ``platform``."""
    top = own = await source.manifest(reference)
    for _ in range(_MAX_INDEX_DEPTH):
        document = decode_manifest(own.content, own.media_type, source.where)
        if not isinstance(document, Index):
            return Resolved(top, own, document)
        chosen = choose(document, platform, source.where)
        own = await source.manifest(reference.with_digest(Digest(chosen.digest)))
    raise InvalidImageError("an index of indexes of indexes", subject=source.where)


async def acquire(
    workshop: Workshop, source: Source, reference: Reference, resolved: Resolved, progress: Progress
) -> ImageRecord:
    """Fetch what is missing of an image and unpack it. The record has no names yet."""
    acquisition = _Acquisition(workshop, source, reference, resolved.manifest, progress)
    manifest = resolved.manifest
    config_digest = Digest(manifest.config.digest)
    content = await acquisition.config()
    config = decode_config(content, manifest, source.where)
    known = workshop.known(ImageId(config_digest))
    if known is not None:
        # The same image, perhaps compressed differently: what is here will do.
        acquisition.all_present()
    else:
        await acquisition.all_layers(config)
    for document in resolved.documents:
        workshop.blobs.write(document.content, document.digest)
    workshop.blobs.write(content, config_digest)
    documents = tuple(dict.fromkeys((*(one.digest for one in resolved.documents), config_digest)))
    if known is not None:
        return msgspec.structs.replace(known, documents=documents, tags=(), digests=(), hidden=False, managed=False)
    layers = tuple(
        LayerEntry(Digest(layer.digest), Digest(diff_id), layer.size)
        for layer, diff_id in zip(manifest.layers, config.rootfs.diff_ids, strict=True)
    )
    return ImageRecord(
        id=ImageId(config_digest),
        manifest=resolved.own.digest,
        documents=documents,
        layers=layers,
        size=manifest.config.size + sum(layer.size for layer in manifest.layers),
    )


@dataclass(slots=True)
class _Acquisition:
    workshop: Workshop
    source: Source
    reference: Reference
    manifest: Manifest
    progress: Progress
    slots: asyncio.Semaphore = field(init=False)
    unpacked_bytes: int = 0

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.workshop.settings.parallel_downloads)

    async def config(self) -> bytes:
        descriptor = self.manifest.config
        if descriptor.size > MAX_CONFIG:
            raise LimitError(f"a configuration of {descriptor.size} bytes", subject=self.source.where)
        if self.workshop.blobs.size(descriptor.digest) == descriptor.size:
            with contextlib.suppress(DigestMismatchError):
                return self.workshop.blobs.read(descriptor.digest)
        content = bytearray()
        async with contextlib.aclosing(self.source.blob(self.reference, descriptor)) as chunks:
            async for chunk in chunks:
                content += chunk
        self._check_size(descriptor, len(content))
        self.workshop.blobs.write(bytes(content), Digest(descriptor.digest))
        return bytes(content)

    def all_present(self) -> None:
        for layer in self.manifest.layers:
            LayerMeter(Digest(layer.digest), layer.size, self.progress).state(LayerState.PRESENT)

    async def all_layers(self, config: ConfigFile) -> None:
        chain = chain_ids(config.rootfs.diff_ids)
        jobs: list[asyncio.Task[LayerRecord]] = []
        try:
            async with asyncio.TaskGroup() as group:
                for layer, diff_id, chain_id in zip(self.manifest.layers, config.rootfs.diff_ids, chain, strict=True):
                    meter = LayerMeter(Digest(layer.digest), layer.size, self.progress)
                    job = self._layer(layer, Digest(diff_id), chain_id, tuple(jobs), meter)
                    jobs.append(group.create_task(job))
        except ExceptionGroup as group_error:
            # Layers fail one by one or for one reason: the first says it.
            raise group_error.exceptions[0] from None

    async def _layer(
        self,
        layer: Descriptor,
        diff_id: Digest,
        chain_id: Digest,
        below: tuple[asyncio.Task[LayerRecord], ...],
        meter: LayerMeter,
    ) -> LayerRecord:
        layers, busy = self.workshop.layers, self.workshop.busy
        while (found := layers.find(diff_id, chain_id)) is None and diff_id in busy:
            await busy[diff_id].wait()
        if found is not None:
            if self.workshop.settings.keep_blobs and self.workshop.blobs.size(layer.digest) is None:
                # Unpacked from other bytes: compressed differently, or not kept then.
                await self._keep(layer, meter)
            meter.state(LayerState.PRESENT)
            return found
        busy[diff_id] = asyncio.Event()
        try:
            async with layers.workspace() as workspace:
                async with self.slots:
                    unpacked = await self._fetch(layer, diff_id, workspace, meter)
                # Not in a slot: the layers below may still want one.
                under = [await job for job in below] if unpacked.implied else []
                record = layers.commit(workspace, unpacked, chain_id, under)
        finally:
            busy.pop(diff_id).set()
        meter.state(LayerState.DONE)
        return record

    async def _keep(self, layer: Descriptor, meter: LayerMeter) -> None:
        meter.state(LayerState.DOWNLOADING)
        digest, size = hashlib.sha256(), 0
        with self.workshop.blobs.ingest() as ingest:
            chunks = self.source.blob(self.reference, layer, lambda: meter.state(LayerState.RETRYING))
            async with self.slots, contextlib.aclosing(chunks):
                async for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    ingest.write(chunk)
                    meter.count(len(chunk))
            self._check_size(layer, size)
            if (actual := "sha256:" + digest.hexdigest()) != layer.digest:
                raise DigestMismatchError(
                    f"its content has the digest {actual}", subject=f"{self.source.where}: layer {layer.digest}"
                )
            ingest.commit(Digest(layer.digest))

    async def _fetch(self, layer: Descriptor, diff_id: Digest, workspace: Path, meter: LayerMeter) -> Unpacked:
        settings, blobs = self.workshop.settings, self.workshop.blobs
        subject = f"{self.source.where}: layer {layer.digest}"
        meter.state(LayerState.DOWNLOADING)
        with contextlib.ExitStack() as stack:
            kept = stack.enter_context(blobs.ingest()) if settings.keep_blobs else None
            unpacked = await unpack(
                self.source.blob(self.reference, layer, lambda: meter.state(LayerState.RETRYING)),
                workspace,
                subject=subject,
                digest=Digest(layer.digest),
                max_bytes=self._allowance(),
                max_entries=settings.max_layer_entries,
                keep_fd=kept.fd if kept else None,
                program=self.workshop.program,
                count=meter.count,
            )
            self._check_size(layer, unpacked.compressed)
            if unpacked.diff_id != diff_id:
                raise DigestMismatchError(
                    f"unpacks to {unpacked.diff_id}, its configuration says {diff_id}", subject=subject
                )
            self.unpacked_bytes += unpacked.bytes
            if settings.max_image_bytes and self.unpacked_bytes > settings.max_image_bytes:
                raise LimitError(
                    f"its layers unpack to more than the limit of {settings.max_image_bytes} bytes", subject=subject
                )
            if kept is not None:
                kept.commit(Digest(layer.digest))
        return unpacked

    def _allowance(self) -> int:
        """What the next layer may unpack to; 0 for no bound."""
        settings = self.workshop.settings
        bounds = [int(settings.max_layer_bytes)] if settings.max_layer_bytes else []
        if settings.max_image_bytes:
            bounds.append(max(settings.max_image_bytes - self.unpacked_bytes, 1))
        return min(bounds, default=0)

    def _check_size(self, descriptor: Descriptor, actual: int) -> None:
        if actual != descriptor.size:
            raise DigestMismatchError(
                f"{descriptor.digest} has {actual} bytes, its manifest says {descriptor.size}",
                subject=self.source.where,
            )


def named(record: ImageRecord, reference: Reference, top: Digest) -> ImageRecord:
    """``record`` with the names that a pull of ``reference`` gives it: the tag, unless it was by digest."""
    tags = () if reference.digest else (reference.canonical,)
    return msgspec.structs.replace(record, tags=tags, digests=(f"{reference.name}@{top}",))
