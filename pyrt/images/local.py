"""Images that lie on this machine as files: OCI layouts (image-layout.md) as directories or tars, and docker-archives.

All three are read through one view, a set of named files; a docker-archive is given the manifest that it lacks.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pyrt.ids import Digest
from pyrt.images.blobs import digest_of
from pyrt.images.errors import (
    DigestMismatchError,
    InvalidImageError,
    InvalidReferenceError,
    LimitError,
    NotFoundError,
    StorageError,
)
from pyrt.images.manifest import (
    DOCKER_CONFIG,
    MAX_CONFIG,
    MAX_MANIFEST,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from pyrt.images.reference import Reference, is_digest, parse_reference
from pyrt.images.source import Fetched

NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_CHUNK = 1 << 20
_MAX_MEMBERS = 100_000
_MAX_LINKS = 10


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes in a file."""

    path: Path
    offset: int
    size: int


class Files:
    """A set of named files: a directory, or the members of a tar."""

    def __init__(self, path: Path, members: Mapping[str, Extent] | None) -> None:
        """``members`` are a tar's; ``None`` for a directory."""
        self.path = path
        self._members = members

    def find(self, name: str) -> Extent | None:
        """Where the file of that name is."""
        if self._members is not None:
            return self._members.get(name)
        path = self.path / name
        try:
            return Extent(path, 0, path.stat().st_size) if path.is_file() else None
        except OSError:
            return None

    def read(self, name: str, limit: int) -> bytes | None:
        """A small file whole."""
        extent = self.find(name)
        if extent is None:
            return None
        if extent.size > limit:
            raise LimitError(f"{name} has {extent.size} bytes", subject=str(self.path))
        try:
            with extent.path.open("rb") as file:
                file.seek(extent.offset)
                return file.read(extent.size)
        except OSError as error:
            raise StorageError(subject=str(self.path), operation=f"read {name}", errno=error.errno) from error


class LocalSource:
    """A :class:`~pyrt.images.source.Source` over files."""

    def __init__(
        self,
        files: Files,
        where: str,
        names: Mapping[str, Descriptor],
        *,
        documents: Mapping[str, bytes] | None = None,
        blobs: Mapping[str, Extent] | None = None,
    ) -> None:
        """``names`` are canonical; ``documents`` and ``blobs`` are what is not under ``blobs/sha256``."""
        self._files = files
        self._where = where
        self.names = names
        self.synthetic = bool(documents)
        """Its manifests were made up here."""
        self._documents = documents or {}
        self._blobs = blobs or {}

    @property
    def where(self) -> str:
        """``OCI layout /srv/images``."""
        return self._where

    async def close(self) -> None:
        """Nothing is held open."""

    async def manifest(self, reference: Reference) -> Fetched:
        """From the index, or by digest from the blobs."""
        media_type, digest = "", reference.digest
        if digest is None:
            descriptor = self.names.get(reference.canonical)
            if descriptor is None:
                raise NotFoundError("not found", subject=self.where)
            media_type, digest = descriptor.media_type, Digest(descriptor.digest)
        content = self._documents.get(digest)
        if content is None:
            content = self._files.read(blob_name(digest), MAX_MANIFEST)
        if content is None:
            raise NotFoundError(f"not found: no blob {digest}", subject=self.where)
        if (actual := digest_of(content)) != digest:
            raise DigestMismatchError(f"manifest {digest} has the digest {actual}", subject=self.where)
        return Fetched(content, media_type, digest)

    async def blob(
        self, reference: Reference, descriptor: Descriptor, retrying: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        """Read in pieces, on a thread."""
        document = self._documents.get(descriptor.digest)
        if document is not None:
            yield document
            return
        extent = self._blobs.get(descriptor.digest) or self._files.find(blob_name(descriptor.digest))
        if extent is None:
            raise NotFoundError(f"not found: no blob {descriptor.digest}", subject=self.where)
        try:
            fd = os.open(extent.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                at, end = extent.offset, extent.offset + min(extent.size, descriptor.size + 1)
                while at < end:
                    chunk = await asyncio.to_thread(os.pread, fd, min(_CHUNK, end - at), at)
                    if not chunk:
                        return
                    at += len(chunk)
                    yield chunk
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(
                subject=self.where, operation=f"read blob {descriptor.digest}", errno=error.errno
            ) from error


def blob_name(digest: str) -> str:
    """Where a layout keeps a blob."""
    if not is_digest(digest):
        raise InvalidImageError(f"{digest!r} is no sha256 digest", subject="OCI layout")
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def open_layout(path: Path, *, domain: str = "") -> LocalSource:
    """A layout directory. ``domain``: it stands in for that registry (a mirror)."""
    where = f"OCI layout {path}" + (f" (mirror of {domain})" if domain else "")
    if not path.is_dir():
        raise NotFoundError("no such directory", subject=where)
    return _layout(Files(path, None), where)


def open_archive(path: Path, scratch: Path) -> LocalSource:
    """An archive or layout to import. ``scratch`` is where a compressed one is unpacked for the time being."""
    if path.is_dir():
        return open_layout(path)
    where = f"archive {path}"
    try:
        files = Files(path, _members(_uncompressed(path, scratch), where))
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise InvalidImageError(f"not a tar archive: {error}", subject=where) from error
    except OSError as error:
        raise StorageError(subject=where, operation="read", errno=error.errno) from error
    # docker save has written both since version 25; the layout says more.
    if files.find("index.json") is not None:
        return _layout(files, where)
    if files.find("manifest.json") is not None:
        return _docker_archive(files, where)
    raise InvalidImageError("neither an OCI layout (index.json) nor a docker-archive (manifest.json)", subject=where)


def _uncompressed(path: Path, scratch: Path) -> Path:
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return path
        file.seek(0)
        # Unnamed once opened: it goes with this process at the latest.
        copy = tempfile.NamedTemporaryFile(dir=scratch, delete=False)  # noqa: SIM115
        with copy, gzip.open(file) as content:
            shutil.copyfileobj(content, copy, _CHUNK)
    return Path(copy.name)


def _members(path: Path, where: str) -> dict[str, Extent]:
    found: dict[str, Extent] = {}
    links: dict[str, str] = {}
    with tarfile.open(path, "r:") as archive:
        for count, member in enumerate(archive):
            if count >= _MAX_MEMBERS:
                raise LimitError(f"more than {_MAX_MEMBERS} files", subject=where)
            name = posixpath.normpath(member.name)
            if member.isreg():
                found[name] = Extent(path, member.offset_data, member.size)
            elif member.issym():
                links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif member.islnk():
                links[name] = posixpath.normpath(member.linkname)
    for name, first in links.items():
        # Old docker-archives link repeated layers to their first copy.
        target = first
        for _ in range(_MAX_LINKS):
            if target in found or target not in links:
                break
            target = links[target]
        if target in found:
            found.setdefault(name, found[target])
    return found


def _layout(files: Files, where: str) -> LocalSource:
    content = files.read("index.json", MAX_MANIFEST)
    if content is None:
        raise NotFoundError("no index.json in it", subject=where)
    try:
        index = msgspec.json.decode(content, type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidImageError(f"cannot read its index.json: {error}", subject=where) from error
    names: dict[str, Descriptor] = {}
    for count, descriptor in enumerate(index.manifests):
        if not is_digest(descriptor.digest):
            raise InvalidImageError(f"index.json: {descriptor.digest!r} is no sha256 digest", subject=where)
        names[_layout_name(descriptor) or f"#{count}"] = descriptor
    return LocalSource(files, where, names)


def _layout_name(descriptor: Descriptor) -> str | None:
    for annotation in NAME_ANNOTATIONS:
        text = descriptor.annotations.get(annotation, "")
        # A bare tag (``latest``) says nothing of the repository, though it reads as one.
        if text and ("/" in text or ":" in text):
            try:
                return parse_reference(text).canonical
            except InvalidReferenceError:
                continue
    return None


class _SavedImage(msgspec.Struct, frozen=True, rename="pascal"):
    config: str
    layers: tuple[str, ...]
    repo_tags: tuple[str, ...] | None = None


def _docker_archive(files: Files, where: str) -> LocalSource:
    try:
        saved = msgspec.json.decode(files.read("manifest.json", MAX_MANIFEST) or b"", type=tuple[_SavedImage, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidImageError(f"cannot read its manifest.json: {error}", subject=where) from error
    names: dict[str, Descriptor] = {}
    documents: dict[str, bytes] = {}
    blobs: dict[str, Extent] = {}
    for count, image in enumerate(saved):
        config = files.read(posixpath.normpath(image.config), MAX_CONFIG)
        if config is None:
            raise InvalidImageError(f"{image.config} is missing", subject=where)
        config_digest = digest_of(config)
        documents[config_digest] = config
        layers = []
        for name in image.layers:
            extent = files.find(posixpath.normpath(name))
            if extent is None:
                raise InvalidImageError(f"{name} is missing", subject=where)
            digest = _digest_of_extent(extent)
            blobs[digest] = extent
            layers.append(Descriptor(OCI_LAYER, digest, extent.size))
        manifest = Manifest(
            Descriptor(DOCKER_CONFIG, config_digest, len(config)), tuple(layers), media_type=OCI_MANIFEST
        )
        content = msgspec.json.encode(manifest)
        digest = digest_of(content)
        documents[digest] = content
        descriptor = Descriptor(OCI_MANIFEST, digest, len(content))
        for tag in image.repo_tags or ():
            names[parse_reference(tag).canonical] = descriptor
        if not image.repo_tags:
            names[f"#{count}"] = descriptor
    return LocalSource(files, where, names, documents=documents, blobs=blobs)


def _digest_of_extent(extent: Extent) -> Digest:
    state = hashlib.sha256()
    with extent.path.open("rb") as file:
        file.seek(extent.offset)
        left = extent.size
        while left and (chunk := file.read(min(_CHUNK, left))):
            state.update(chunk)
            left -= len(chunk)
    return Digest("sha256:" + state.hexdigest())
