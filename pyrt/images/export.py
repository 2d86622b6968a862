"""Writing images out, byte for byte as they were pulled: OCI layouts, the same in a tar, and docker-archives."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from pyrt.images.blobs import BlobStore
from pyrt.images.catalog import ImageRecord
from pyrt.images.errors import NotFoundError, StorageError
from pyrt.images.local import blob_name
from pyrt.images.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Index, Manifest
from pyrt.images.types import ArchiveFormat

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


@dataclass(frozen=True, slots=True)
class Selected:
    """An image to write, and the names to give it there."""

    record: ImageRecord
    names: tuple[str, ...]


class _Sink(Protocol):
    def text(self, name: str, content: bytes) -> None: ...

    def file(self, name: str, path: Path) -> None: ...


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root

    def text(self, name: str, content: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def file(self, name: str, path: Path) -> None:
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copyfile(path, target)


class _Tar:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._written: set[str] = set()

    def text(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o644
        self._archive.addfile(member, io.BytesIO(content))

    def file(self, name: str, path: Path) -> None:
        if name in self._written:
            return
        self._written.add(name)
        member = tarfile.TarInfo(name)
        member.size, member.mode = path.stat().st_size, 0o644
        with path.open("rb") as file:
            self._archive.addfile(member, file)


def export(blobs: BlobStore, images: Sequence[Selected], path: Path, archive_format: ArchiveFormat) -> None:
    """Write ``images`` to ``path``. Blocking: for a thread. Nothing is left behind when it fails."""
    for image in images:
        _check_complete(blobs, image)
    try:
        with _sink(path, archive_format) as sink:
            if archive_format is ArchiveFormat.DOCKER_ARCHIVE:
                _docker_archive(blobs, images, sink)
            else:
                _layout(blobs, images, sink)
    except OSError as error:
        raise StorageError(subject=str(path), operation="save", errno=error.errno) from error


def _check_complete(blobs: BlobStore, image: Selected) -> None:
    name = image.names[0] if image.names else image.record.id
    for layer in image.record.layers:
        if blobs.size(layer.digest) is None:
            raise NotFoundError(
                f"its compressed layer {layer.digest} was not kept; "
                "set images.keep_blobs, remove the image and pull it again",
                subject=f"image {name}",
                operation="save",
            )


@contextlib.contextmanager
def _sink(path: Path, archive_format: ArchiveFormat) -> Generator[_Sink, None, None]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    undo: Callable[[Path], object] = shutil.rmtree if archive_format is ArchiveFormat.OCI_LAYOUT else Path.unlink
    try:
        if archive_format is ArchiveFormat.OCI_LAYOUT:
            temporary.mkdir()
            yield _Directory(temporary)
        else:
            with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
                yield _Tar(archive)
        os.rename(temporary, path)
    except BaseException:
        if temporary.exists():
            undo(temporary)
        raise


def _layout(blobs: BlobStore, images: Sequence[Selected], sink: _Sink) -> None:
    entries = []
    for image in images:
        for digest in (image.record.manifest, image.record.id, *(layer.digest for layer in image.record.layers)):
            sink.file(blob_name(digest), blobs.path(digest))
        content = blobs.read(image.record.manifest)
        media_type = msgspec.json.decode(content, type=Manifest).media_type or OCI_MANIFEST
        descriptor = Descriptor(media_type, image.record.manifest, len(content))
        named = [
            msgspec.structs.replace(
                descriptor,
                annotations={"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name},
            )
            for name in image.names
        ]
        entries += named or [descriptor]
    sink.text("index.json", msgspec.json.encode(Index(tuple(entries), media_type=OCI_INDEX)))
    sink.text("oci-layout", _LAYOUT)


def _docker_archive(blobs: BlobStore, images: Sequence[Selected], sink: _Sink) -> None:
    """As Docker 25 and later write it: the blobs of a layout, and manifest.json that says which is which."""
    _layout(blobs, images, sink)
    saved = [
        {
            "Config": blob_name(image.record.id),
            "RepoTags": [name.removeprefix("docker.io/").removeprefix("library/") for name in image.names] or None,
            "Layers": [blob_name(layer.digest) for layer in image.record.layers],
        }
        for image in images
    ]
    sink.text("manifest.json", msgspec.json.encode(saved))
