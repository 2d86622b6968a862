"""Which images are here, and under which names. Records in the store, their working form in memory.

An image is its configuration's digest. Names (tags and repo digests) point to it; a tag points to one image only, so
that giving it to a new one leaves the old one without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pyrt.ids import Digest, ImageId
from pyrt.images.blobs import BlobStore
from pyrt.images.errors import ImageError, InvalidReferenceError
from pyrt.images.layers import LayerRecord, LayerStore
from pyrt.images.manifest import ConfigFile, chain_ids
from pyrt.images.reference import parse_reference
from pyrt.images.types import Image
from pyrt.kube.times import to_text
from pyrt.store import Table

_MAX_SPELLINGS = 10_000


class LayerEntry(msgspec.Struct, frozen=True):
    """One layer of an image as its manifest and configuration name it."""

    digest: Digest
    diff_id: Digest
    size: int
    """Compressed bytes."""


class ImageRecord(msgspec.Struct, frozen=True):
    """An image that was pulled completely."""

    id: ImageId
    manifest: Digest
    documents: tuple[Digest, ...]
    """The blobs that are not layers: manifest, configuration, and the index it was chosen from."""
    layers: tuple[LayerEntry, ...]
    size: int
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    hidden: bool = False
    """Removed, but a container still runs on it."""
    managed: bool = False
    """A kubelet has pulled it, and decides when it goes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Tags and digests."""
        return (*self.tags, *self.digests)

    @property
    def blobs(self) -> frozenset[Digest]:
        """Every blob that it may have."""
        return frozenset((*self.documents, *(layer.digest for layer in self.layers)))


def layer_keys(record: ImageRecord) -> list[tuple[Digest, Digest]]:
    """(diff id, chain id) of each layer, lowest first."""
    diff_ids = [layer.diff_id for layer in record.layers]
    return list(zip(diff_ids, chain_ids(diff_ids), strict=True))


class Catalog:
    """Images by id and by every spelling they were asked for."""

    def __init__(self, table: Table, blobs: BlobStore, layers: LayerStore) -> None:
        self._table = table
        self._blobs = blobs
        self._layers = layers
        self._records: dict[ImageId, ImageRecord] = {}
        self._images: dict[ImageId, Image] = {}
        self._names: dict[str, ImageId] = {}
        self._spellings: dict[str, Image] = {}
        self._named: dict[str, Image] = {}

    def prepare(self) -> tuple[str, ...]:
        """Read the records. An image whose content is no longer whole is forgotten; returns what was, for the log."""
        lost = []
        for key, value in self._table.items():
            record = msgspec.msgpack.decode(value, type=ImageRecord)
            try:
                self._remember(record)
            except (ImageError, msgspec.DecodeError) as error:
                self._table.delete(key)
                lost.append(f"image {record.tags[0] if record.tags else record.id}: {error}")
        return tuple(lost)

    def _remember(self, record: ImageRecord) -> None:
        image = self._image(record)
        self._records[record.id] = record
        self._images[record.id] = image
        for name in (*record.tags, *record.digests):
            self._names[name] = record.id
        self._forget_spellings()

    def _image(self, record: ImageRecord) -> Image:
        config = msgspec.json.decode(self._blobs.read(record.id), type=ConfigFile)
        return Image(
            id=record.id,
            manifest_digest=record.manifest,
            repo_tags=record.tags,
            repo_digests=record.digests,
            size=record.size,
            config=config.inherited(),
            layers=self._layer_paths(record),
            created=config.created or to_text(self._blobs.stored_at(record.id)),
            architecture=config.architecture,
            os=config.os,
            managed=record.managed,
        )

    def _layer_paths(self, record: ImageRecord) -> tuple[Path, ...]:
        paths: list[Path] = []
        for layer in self.layer_records(record):
            # overlayfs knows opaque directories, but not an opaque root: leave out what it would hide.
            if layer.opaque_root:
                paths.clear()
            paths.append(self._layers.path(layer))
        return tuple(paths)

    def layer_records(self, record: ImageRecord) -> list[LayerRecord]:
        """The unpacked layers of an image, lowest first. Raises :class:`ImageError` if one is missing."""
        found = []
        for diff_id, chain_id in layer_keys(record):
            layer = self._layers.find(diff_id, chain_id)
            if layer is None:
                raise ImageError(f"layer {diff_id} is missing", subject=f"image {record.id}")
            found.append(layer)
        return found

    def get(self, text: str) -> Image | None:
        """By name, digest, id, or the beginning of an id that no other has."""
        image = self._spellings.get(text)
        if image is None and (image := self.named(text) or self._by_id(text)) is not None:
            self._spellings[text] = image
        return image

    def named(self, text: str) -> Image | None:
        """By name or digest, as a pod names it: there ``beef`` is a repository, never the beginning of an id."""
        image = self._named.get(text)
        if image is None and (image := self._by_name(text)) is not None:
            if len(self._named) >= _MAX_SPELLINGS:  # name:anything@digest has no end of spellings.
                self._forget_spellings()
            self._named[text] = image
        return image

    def _forget_spellings(self) -> None:
        self._spellings = {}
        self._named = {}

    def _by_name(self, text: str) -> Image | None:
        try:
            reference = parse_reference(text)
        except InvalidReferenceError:
            reference = None
        if reference is not None:
            if (found := self._names.get(reference.canonical)) is not None:
                return self._images[found]
            if reference.digest is not None:
                # The platform's own manifest, where the name was of an index.
                for record in self._records.values():
                    of_repository = any(name.startswith(f"{reference.name}@") for name in record.digests)
                    if reference.digest in record.documents and of_repository and not record.hidden:
                        return self._images[record.id]
        return None

    def _by_id(self, text: str) -> Image | None:
        if re.fullmatch(r"(sha256:)?[0-9a-f]{3,64}", text):
            prefix = "sha256:" + text.removeprefix("sha256:")
            matching = [image for image in self.images() if image.id.startswith(prefix)]
            if len(matching) == 1:
                return matching[0]
        return None

    def record(self, image: ImageId) -> ImageRecord | None:
        """The record of an image that is here."""
        return self._records.get(image)

    def records(self) -> tuple[ImageRecord, ...]:
        """All of them."""
        return tuple(self._records.values())

    def images(self) -> tuple[Image, ...]:
        """All of them, by name; those without a name last."""
        shown = (image for found, image in self._images.items() if not self._records[found].hidden)
        return tuple(sorted(shown, key=lambda image: (image.repo_tags or ("~",), image.id)))

    def add(self, record: ImageRecord) -> Image:
        """Keep an image whose content is complete, with its names added to those it has."""
        old = self._records.get(record.id)
        if old is not None:
            tags = tuple(dict.fromkeys((*old.tags, *record.tags)))
            digests = tuple(dict.fromkeys((*old.digests, *record.digests)))
            documents = tuple(dict.fromkeys((*record.documents, *old.documents)))
            managed = old.managed and not old.hidden
            record = msgspec.structs.replace(record, tags=tags, digests=digests, documents=documents, managed=managed)
            if record == old:
                record = old
        for tag in record.tags:
            holder = self._names.get(tag)
            if holder is not None and holder != record.id:
                self.unname(holder, (tag,))
        if record is not old:
            self._table.put(record.id, msgspec.msgpack.encode(record), durable=True)
            self._remember(record)
        return self._images[record.id]

    def unname(self, image: ImageId, names: Iterable[str]) -> None:
        """Take names from an image; it stays, with those that it has left."""
        gone = set(names)
        record = self._records[image]
        record = msgspec.structs.replace(
            record,
            tags=tuple(tag for tag in record.tags if tag not in gone),
            digests=tuple(digest for digest in record.digests if digest not in gone),
        )
        self._table.put(record.id, msgspec.msgpack.encode(record), durable=True)
        for name in gone:
            self._names.pop(name, None)
        self._remember(record)

    def manage(self, image: ImageId) -> None:
        """Note that a kubelet looks after this image."""
        record = self._records.get(image)
        if record is not None and not record.managed:
            record = msgspec.structs.replace(record, managed=True)
            self._table.put(record.id, msgspec.msgpack.encode(record), durable=True)
            self._remember(record)

    def hide(self, image: ImageId) -> None:
        """Remove an image from sight, with its names, while its content is still used."""
        record = self._records[image]
        self.unname(image, (*record.tags, *record.digests))
        self._records[image] = msgspec.structs.replace(self._records[image], hidden=True)
        self._table.put(image, msgspec.msgpack.encode(self._records[image]), durable=True)
        self._forget_spellings()

    def forget(self, image: ImageId) -> None:
        """Remove an image and all its names. Its content is the caller's to collect."""
        self._table.delete(image, durable=True)
        record = self._records.pop(image)
        del self._images[image]
        for name in (*record.tags, *record.digests):
            if self._names.get(name) == image:
                del self._names[name]
        self._forget_spellings()
