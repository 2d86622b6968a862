"""Unpacked layers: one directory each, ready to be a lowerdir of overlayfs, shared by every image that has the layer.

A layer is kept under the digest of its uncompressed tar (diff id), so that the same layer on different bases, or
compressed differently, is unpacked once. That is right as long as the directory does not depend on what is below it.
It does in one case: a layer that has files in a directory without an entry for the directory. overlayfs would take
owner and mode of the directory that the unpacker had to make up (/tmp would lose its 1777). Such a layer is kept under
its chain id, which stands for all layers below it too, and takes these over from them.
"""

from __future__ import annotations

import array
import asyncio
import base64
import contextlib
import errno
import fcntl
import logging
import os
import secrets
import stat
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec

from pyrt.ids import Digest
from pyrt.images.errors import StorageError
from pyrt.images.unpack import Unpacked, file_name
from pyrt.store import Table

_log = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_SHORTEST_NAME = 8

# linux/fs.h
_FS_IOC_GETFLAGS = 0x80086601
_FS_IOC_SETFLAGS = 0x40086602
_FS_TOPDIR_FL = 0x00020000


class LayerRecord(msgspec.Struct, frozen=True):
    """An unpacked layer. Its key in the table is its diff id, or its chain id."""

    name: str
    """Of its directory: short, because a page must hold all of an image's lowerdirs."""
    bytes: int
    """Of file content."""
    entries: int
    opaque_root: bool = False
    boot_id: str = ""
    """The boot during which it was unpacked, until it is known to be on disk: after a power cut it may be hollow."""


def current_boot_id() -> str:
    """Of the running kernel (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class LayerStore:
    """The unpacked layers below one directory."""

    def __init__(self, root: Path, table: Table) -> None:
        self.root = root
        self._table = table
        self._records: dict[Digest, LayerRecord] = {}
        self._boot_id = current_boot_id()

    async def prepare(self) -> None:
        """Read the records, drop what cannot be trusted after a reboot, and collect what a crash left behind."""
        try:
            self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError as error:
            raise _failed("prepare", self.root, error) from error
        _spread(self.root)
        for key, value in self._table.items():
            record = msgspec.msgpack.decode(value, type=LayerRecord)
            if record.boot_id in ("", self._boot_id) and (self.root / record.name).is_dir():
                self._records[Digest(key)] = record
            else:
                self._table.delete(key)
        known = {record.name for record in self._records.values()}
        left = [entry.path for entry in os.scandir(self.root) if entry.name not in known]
        if left:
            await remove_trees(left)

    def find(self, diff_id: Digest, chain_id: Digest) -> LayerRecord | None:
        """The layer, if it is here in a form that fits what is below it."""
        return self._records.get(chain_id) or self._records.get(diff_id)

    def path(self, record: LayerRecord) -> Path:
        """Its directory."""
        return self.root / record.name

    def all(self) -> dict[Digest, LayerRecord]:
        """Every layer by key."""
        return dict(self._records)

    @contextlib.asynccontextmanager
    async def workspace(self) -> AsyncGenerator[Path, None]:
        """An empty directory to unpack into. What is still there at the end goes."""
        path = self.root / f"{_TEMPORARY}{secrets.token_hex(6)}"
        try:
            # 0755 is what a container's / has if no layer says otherwise.
            path.mkdir(mode=0o755)
            path.chmod(0o755)
        except OSError as error:
            raise _failed("make", path, error) from error
        try:
            yield path
        finally:
            if path.exists():
                await remove_trees([path])

    def commit(
        self, workspace: Path, unpacked: Unpacked, chain_id: Digest, below: Sequence[LayerRecord]
    ) -> LayerRecord:
        """Give an unpacked layer its name and record. ``below`` are the layers under it, lowest first."""
        key = unpacked.diff_id
        if unpacked.implied and below:
            key = chain_id
            adopt_directories(workspace, unpacked.implied, [self.path(one) for one in reversed(below)])
        if (existing := self._records.get(key)) is not None:
            return existing
        record = LayerRecord(
            self._free_name(key), unpacked.content, unpacked.entries, unpacked.opaque_root, self._boot_id
        )
        try:
            os.rename(workspace, self.path(record))
        except OSError as error:
            raise _failed("name", self.path(record), error) from error
        self._table.put(key, msgspec.msgpack.encode(record))
        self._records[key] = record
        return record

    async def settle(self) -> None:
        """Wait until the layers are on disk, and remember that they are."""
        pending = {key: record for key, record in self._records.items() if record.boot_id}
        if not pending:
            return
        process = await asyncio.create_subprocess_exec("sync", "-f", self.root, stderr=asyncio.subprocess.DEVNULL)
        try:
            settled = await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not settled:
            return
        for key, record in pending.items():
            if self._records.get(key) is record:
                self._records[key] = msgspec.structs.replace(record, boot_id="")
                self._table.put(key, msgspec.msgpack.encode(self._records[key]))

    async def remove(self, keys: Sequence[Digest]) -> int:
        """Delete layers; the bytes of file content given back."""
        records = [self._records.pop(key) for key in keys if key in self._records]
        doomed = []
        for key in keys:
            self._table.delete(key)
        for record in records:
            # Out of the way first: a layer of that name may come again while the files go.
            moved = self.root / f"{_TEMPORARY}{secrets.token_hex(6)}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.path(record), moved)
                doomed.append(moved)
        await remove_trees(doomed)
        return sum(record.bytes for record in records)

    def _free_name(self, key: Digest) -> str:
        # Short names can be made to collide on purpose: the record is what tells layers apart, so take a longer one.
        text = base64.b32encode(bytes.fromhex(key.removeprefix("sha256:"))).decode().lower().rstrip("=")
        taken = {record.name for record in self._records.values()}
        return next(text[:length] for length in range(_SHORTEST_NAME, len(text) + 1) if text[:length] not in taken)


def _spread(path: Path) -> None:
    """Ask ext4 to put each directory in ``path`` into a block group of its own (chattr(1), ``+T``).

    Layers have nothing to do with each other, and inodes are found slowly where many were deleted a short while ago,
    which is what removing an image does: ten times slower has been measured. Other file systems refuse, and need it
    not.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = array.array("l", [0])
        fcntl.ioctl(fd, _FS_IOC_GETFLAGS, flags)
        flags[0] |= _FS_TOPDIR_FL
        fcntl.ioctl(fd, _FS_IOC_SETFLAGS, flags)
    except OSError as error:
        _log.debug("directory %s: block groups: %s", path, error)
    finally:
        os.close(fd)


def adopt_directories(layer: Path, implied: Sequence[str], below: Sequence[Path]) -> None:
    """Give directories that the unpacker made up the owner, mode and time of the same directory below.

    ``below`` is from the top down. No symlink is followed, in either tree: both are a stranger's.
    """
    for name in implied:
        parts = file_name(name).split("/")
        with contextlib.ExitStack() as stack:
            target = _open_below(stack, layer, parts)
            if target is None:
                continue
            for lower in below:
                source = _open_below(stack, lower, parts)
                if source is not None:
                    status = os.fstat(source)
                    os.fchown(target, status.st_uid, status.st_gid)
                    os.fchmod(target, stat.S_IMODE(status.st_mode))
                    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
                    break


def _open_below(stack: contextlib.ExitStack, root: Path, parts: Sequence[str]) -> int | None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(root, flags)
    stack.callback(os.close, fd)
    for part in parts:
        try:
            fd = os.open(part, flags, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        stack.callback(os.close, fd)
    return fd


async def remove_trees(paths: Sequence[Path | str]) -> None:
    """Delete directory trees, however deep or large, without holding up the event loop."""
    if not paths:
        return
    process = await asyncio.create_subprocess_exec(
        "rm", "-rf", "--one-file-system", "--", *paths, stderr=asyncio.subprocess.PIPE
    )
    waiting = asyncio.ensure_future(process.communicate())
    try:
        _, said = await asyncio.shield(waiting)
    except asyncio.CancelledError:
        # A cancelled pull still cleans up after itself.
        await waiting
        raise
    if process.returncode:
        raise StorageError(said.decode(errors="replace").strip(), subject="image store", operation="delete layers")


def _failed(operation: str, path: Path, error: OSError) -> StorageError:
    return StorageError(subject="image store", operation=f"{operation} {path}", errno=error.errno)
