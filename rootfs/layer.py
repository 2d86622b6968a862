"""One image layer: a deterministic tar, in the order in which its entries are given."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

MTIME = 1_700_000_000
"""Of everything: 2023-11-14T22:13:20Z."""


@dataclass
class Layer:
    """Entries, to be written as a tar. Paths have no leading slash."""

    entries: list[tuple[tarfile.TarInfo, bytes | Path | None]] = field(default_factory=list)

    def _add(self, path: str, kind: bytes, mode: int, content: bytes | Path | None = None, **rest: object) -> Layer:
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.mtime = kind, mode, MTIME
        for name, value in rest.items():
            setattr(member, name, value)
        if content is not None:
            member.size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self.entries.append((member, content))
        return self

    def directory(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Layer:
        """Add a directory."""
        return self._add(path, tarfile.DIRTYPE, mode, uid=uid, gid=gid)

    def file(self, path: str, content: bytes | str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Layer:
        """Add a file."""
        data = content.encode() if isinstance(content, str) else content
        return self._add(path, tarfile.REGTYPE, mode, data, uid=uid, gid=gid)

    def symlink(self, path: str, target: str) -> Layer:
        """Add a symbolic link."""
        return self._add(path, tarfile.SYMTYPE, 0o777, linkname=target)

    def hardlink(self, path: str, target: str) -> Layer:
        """Add another name for ``target``, which is in this layer. It repeats the mode: some unpackers set it."""
        mode = next(member.mode for member, _ in self.entries if member.name == target)
        return self._add(path, tarfile.LNKTYPE, mode, linkname=target)

    def device(self, path: str, major: int, minor: int, mode: int = 0o666) -> Layer:
        """Add a character device."""
        return self._add(path, tarfile.CHRTYPE, mode, devmajor=major, devminor=minor)

    def fifo(self, path: str, mode: int = 0o644) -> Layer:
        """Add a named pipe."""
        return self._add(path, tarfile.FIFOTYPE, mode)

    def xattr(self, name: str, value: str) -> Layer:
        """Give the last entry an extended attribute."""
        self.entries[-1][0].pax_headers = {f"SCHILY.xattr.{name}": value}
        return self

    def whiteout(self, path: str) -> Layer:
        """Hide what lower layers have at ``path``."""
        head, _, name = path.rpartition("/")
        return self.file(f"{head}/.wh.{name}" if head else f".wh.{name}", b"")

    def opaque(self, path: str) -> Layer:
        """Hide everything that lower layers have in the directory ``path``."""
        return self.file(f"{path}/.wh..wh..opq", b"")

    def tree(self, root: Path, keep: object = None) -> Layer:
        """Add a tree from disk, owned by root; ``keep`` may refuse paths (a callable)."""
        for directory, names, files in os.walk(root):
            names.sort()
            for name in sorted([*names, *files]):
                path = Path(directory, name)
                inside = str(path.relative_to(root))
                if callable(keep) and not keep(inside):
                    if name in names:
                        names.remove(name)
                    continue
                status = path.lstat()
                mode = stat.S_IMODE(status.st_mode)
                if path.is_symlink():
                    self.symlink(inside, os.readlink(path))
                elif path.is_dir():
                    self.directory(inside, mode)
                else:
                    self._add(inside, tarfile.REGTYPE, mode, path)
        return self

    def tar(self) -> bytes:
        """The uncompressed layer."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for member, content in self.entries:
                if isinstance(content, Path):
                    with content.open("rb") as file:
                        archive.addfile(member, file)
                else:
                    archive.addfile(member, None if content is None else io.BytesIO(content))
        return buffer.getvalue()


def digest(content: bytes) -> str:
    """The sha256 digest of ``content``."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def compress(content: bytes, compression: str) -> tuple[bytes, str]:
    """``gzip``, ``gzip-fast``, ``zstd`` or ``none``: the bytes and the media type."""
    base = "application/vnd.oci.image.layer.v1.tar"
    if compression == "none":
        return content, base
    if compression == "zstd":
        done = subprocess.run(["zstd", "-q", "-3", "-c"], input=content, capture_output=True, check=True)
        return done.stdout, base + "+zstd"
    level = {"gzip": 6, "gzip-fast": 1}[compression]
    return gzip.compress(content, compresslevel=level, mtime=0), base + "+gzip"
