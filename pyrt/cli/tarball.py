"""Archives for ``cp``. What comes out of a container is hostile input.

kubectl's ``cp`` had five CVEs of one kind (CVE-2018-1002100, CVE-2019-1002101, CVE-2019-11246, CVE-2019-11249,
CVE-2019-11251): a container's ``tar`` names files outside the destination, or makes a symbolic link first and writes
through it afterwards. Here names with ``..`` or a leading slash end the copy, links are never made, and every
component is opened relative to the one before it without following links (openat(2), O_NOFOLLOW), so that links which
stand in the destination already lead nowhere either.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from pyrt.cli.failure import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
PERMISSIONS = 0o777
"""Set-user-id and sticky bits of a container's file mean nothing good here."""


class HostileArchiveError(CliError):
    """The archive tries to write somewhere it was not asked to."""


def extract(stream: IO[bytes], top: str, destination: Path, warn: Callable[[str], None]) -> int:
    """Unpack what lies under ``top`` in the archive as ``destination``; the number of entries written.

    ``top`` is the name that the archive was asked for (``.`` for everything). If ``top`` is a file, ``destination`` is
    the file to write; if it is a directory, ``destination`` becomes that directory. Symbolic links, devices and pipes
    are left out, and said; a hard link becomes a copy of the file it names. Raises
    :class:`HostileArchiveError`, :class:`CliError`.
    """
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                parts = _inside(member.name, top)
                if member.islnk():
                    _same_file(member, top, destination, parts)
                    count += 1
                elif member.issym():
                    warn(f'warning: skipping symlink: "{member.name}" -> "{member.linkname}"')
                elif member.isdir():
                    with _directory(destination, parts):
                        count += 1
                elif member.isreg():
                    _file(archive, member, destination, parts)
                    count += 1
                else:
                    warn(f'warning: skipping special file: "{member.name}"')
    except tarfile.TarError as error:
        raise CliError(f"the container's archive cannot be read: {error}") from error
    return count


def _inside(name: str, top: str) -> tuple[str, ...]:
    """The path below ``top``. Raises :class:`HostileArchiveError`."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise HostileArchiveError(f'refusing to copy: the container\'s archive names "{name}"')
    if top == ".":
        return path.parts
    if path.parts[:1] != (top,):
        raise HostileArchiveError(
            f'refusing to copy: the container\'s archive names "{name}" where "{top}" was asked for'
        )
    return path.parts[1:]


@contextmanager
def _directory(destination: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """A descriptor of a directory at or below ``destination``, made where it is missing."""
    if not destination.is_dir():
        destination.mkdir(mode=0o755)
    current = os.open(destination, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=current)
            try:
                below = os.open(part, DIRECTORY, dir_fd=current)
            except OSError as error:
                raise HostileArchiveError(
                    operation=f"{destination / '/'.join(parts)}: refusing to go through {part}", errno=error.errno
                ) from error
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo, destination: Path, parts: tuple[str, ...]) -> None:
    content = archive.extractfile(member)
    if content is not None:
        with content, _open(destination, parts, WRITE) as fd, open(fd, "wb", closefd=False) as target:
            shutil.copyfileobj(content, target, 1 << 18)
            target.flush()
            os.fchmod(fd, member.mode & PERMISSIONS)
            os.utime(fd, (member.mtime, member.mtime))


def _same_file(member: tarfile.TarInfo, top: str, destination: Path, parts: tuple[str, ...]) -> None:
    """A hard link: its other name has been written before, inside the destination or not at all."""
    other = _inside(member.linkname, top)
    if other == parts:
        raise HostileArchiveError(f'refusing to copy: the archive\'s hard link "{member.name}" names itself')
    with _open(destination, other, READ) as old, _open(destination, parts, WRITE) as new:
        os.fchmod(new, os.fstat(old).st_mode & PERMISSIONS)
        with open(old, "rb", closefd=False) as source, open(new, "wb", closefd=False) as target:
            shutil.copyfileobj(source, target, 1 << 18)


@contextmanager
def _open(destination: Path, parts: tuple[str, ...], flags: int) -> Iterator[int]:
    """A file at or below ``destination``."""
    parent, inner, name = (destination, parts[:-1], parts[-1]) if parts else (destination.parent, (), destination.name)
    with _directory(parent, inner) as directory:
        try:
            fd = os.open(name, flags, 0o600, dir_fd=directory)
        except OSError as error:
            raise CliError(operation=f"open {parent.joinpath(*inner, name)}", errno=error.errno) from error
        try:
            yield fd
        finally:
            os.close(fd)


def archive(stream: IO[bytes], source: Path, name: str) -> None:
    """Write ``source``, a file or a whole directory, into a tar stream under ``name``."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        tar.add(source, arcname=name)
