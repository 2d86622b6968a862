"""Compressed content on disk, by digest: ``blobs/sha256/<digits>``, as in an OCI image layout.

What is written is complete and verified before it gets its name, so a name is proof. Half-written files live in
``ingest/`` and are thrown away when the daemon starts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from pyrt.ids import Digest
from pyrt.images.errors import DigestMismatchError, StorageError
from pyrt.images.reference import is_digest


@dataclass(slots=True)
class Ingest:
    """A file being written. ``commit`` gives it its name; without it the file goes when the context ends."""

    path: Path
    fd: int
    _store: BlobStore

    def write(self, content: bytes) -> None:
        """Append."""
        view = memoryview(content)
        with _translated("write", self.path):
            while view:
                view = view[os.write(self.fd, view) :]

    def commit(self, digest: Digest) -> None:
        """Publish. The caller has verified ``digest``."""
        with _translated("keep", digest):
            self._store.root.joinpath("blobs/sha256").mkdir(mode=0o700, parents=True, exist_ok=True)
            os.rename(self.path, self._store.path(digest))


class BlobStore:
    """The blobs of one image store. Everything here is short and synchronous."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ingest = root / "ingest"

    def prepare(self) -> None:
        """Make the directories, and remove what a crash left half written."""
        with _translated("prepare", self.root):
            for directory in (self.root, self.root / "blobs", self.root / "blobs/sha256", self._ingest):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._ingest.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        assert is_digest(digest), digest
        return self.root / "blobs/sha256" / digest.removeprefix("sha256:")

    def size(self, digest: str) -> int | None:
        """Bytes, or ``None`` if it is not here."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def stored_at(self, digest: str) -> int:
        """When it came here, in Unix nanoseconds."""
        with _translated("stat", digest):
            return self.path(digest).stat().st_mtime_ns

    def read(self, digest: str) -> bytes:
        """A small blob (manifest, configuration), verified again: the disk may have rotted."""
        with _translated("read", digest):
            content = self.path(digest).read_bytes()
        if digest_of(content) != digest:
            raise DigestMismatchError("its content on disk has changed", subject=f"blob {digest}")
        return content

    def write(self, content: bytes, digest: Digest) -> None:
        """Keep a small blob. Raises :class:`DigestMismatchError` if it is another one."""
        if (actual := digest_of(content)) != digest:
            raise DigestMismatchError(f"expected {digest}, received {actual}")
        if self.size(digest) == len(content):
            return
        with self.ingest() as ingest:
            ingest.write(content)
            ingest.commit(digest)

    @contextlib.contextmanager
    def ingest(self) -> Generator[Ingest, None, None]:
        """A new file to write a blob to."""
        path = self._ingest / secrets.token_hex(8)
        with _translated("write", path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield Ingest(path, fd, self)
        finally:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    @contextlib.contextmanager
    def scratch(self) -> Generator[Path, None, None]:
        """A directory for passing needs, on the store's file system."""
        with _translated("make", self._ingest), tempfile.TemporaryDirectory(dir=self._ingest) as path:
            yield Path(path)

    def remove(self, digest: str) -> int:
        """Delete a blob; the bytes given back (0 if it was not here)."""
        size = self.size(digest)
        if size is None:
            return 0
        with _translated("delete", digest):
            self.path(digest).unlink()
        return size

    def all(self) -> dict[Digest, int]:
        """Every blob and its size."""
        with _translated("list", self.root), os.scandir(self.root / "blobs/sha256") as entries:
            return {
                Digest(f"sha256:{entry.name}"): entry.stat().st_size
                for entry in entries
                if is_digest(f"sha256:{entry.name}")
            }


def digest_of(content: bytes) -> Digest:
    """The sha256 digest of ``content``."""
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


@contextlib.contextmanager
def _translated(operation: str, what: object) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise StorageError(subject="image store", operation=f"{operation} {what}", errno=error.errno) from error
