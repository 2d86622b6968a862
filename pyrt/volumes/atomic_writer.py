"""Replaces the content of a directory at one instant, as the kubelet does (``pkg/volume/util/atomic_writer.go``).

::

    key        -> ..data/key            what a container opens
    ..data     -> ..2026_11_23_22_54_30.1735081269
    ..2026_11_23_22_54_30.1735081269/key

A new version is written beside the old one, and then ``..data`` is renamed over. Whoever has opened ``..data`` (or
watches it with inotify) sees the old version whole or the new one whole.

The directory is mounted into containers, and one with enough privileges can write to it. So everything here is done
relative to descriptors and follows no link: the worst that a container can do is to spoil what it sees itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pyrt.volumes.errors import VolumeError
from pyrt.volumes.payload import Payload, ProjectedFile
from pyrt.volumes.removal import remove_directory

DATA: Final = "..data"
_NEW_DATA: Final = "..data_tmp"
_DIRECTORY_MODE: Final = 0o755
_VERSION: Final = re.compile(r"\.\.\d{4}(_\d\d){5}\.\d{1,10}")
_NAME_MAX: Final = 255
_DEPTH_MAX: Final = 64
"""Directories in a path: each is a descriptor while a file below it is written. The kubelet has no bound of its own."""
_PATH_MAX: Final = 4096
_OPEN_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def checked(payload: Payload) -> Payload:
    """The payload with normal paths.

    Raises
    ------
    VolumeError: a path that leads out of the directory, cannot be a path, or needs a file to be a directory.
    """
    clean: Payload = {}
    for path, file in payload.items():
        _check_path(path)
        clean["/".join(part for part in path.split("/") if part not in ("", "."))] = file
    directories = {parent for path in clean for parent in _parents(path)}
    for path in clean:
        if path in directories:
            raise VolumeError(f"invalid path: {path} is both a file and a directory")
    return clean


def _check_path(path: str) -> None:
    """The rules and words of the kubelet's validatePath."""
    parts = path.split("/")
    if not [part for part in parts if part not in ("", ".")]:
        raise VolumeError(f'invalid path: must not be empty: "{path}"')
    if path.startswith("/"):
        raise VolumeError(f"invalid path: must be relative path: {path}")
    if len(os.fsencode(path)) > _PATH_MAX:
        raise VolumeError(f"invalid path: must be less than or equal to {_PATH_MAX} characters")
    if len(parts) > _DEPTH_MAX:
        raise VolumeError(f"invalid path: must have no more than {_DEPTH_MAX} parts")
    if ".." in parts:
        raise VolumeError(f"invalid path: must not contain '..': {path}")
    if any(len(os.fsencode(part)) > _NAME_MAX for part in parts):
        raise VolumeError(f"invalid path: filenames must be less than or equal to {_NAME_MAX} characters")
    if next(part for part in parts if part not in ("", ".")).startswith(".."):
        raise VolumeError(f"invalid path: must not start with '..': {path}")
    if "\0" in path:
        raise VolumeError("invalid path: must not contain a NUL byte")


def _parents(path: str) -> Iterator[str]:
    parent, slash, _ = path.rpartition("/")
    while slash:
        yield parent
        parent, slash, _ = parent.rpartition("/")


def is_published(directory: Path) -> bool:
    """Whether something was written there before."""
    return os.path.lexists(directory / DATA)


def write(directory: Path, payload: Payload, *, gid: int | None = None, mount_points: Iterable[str] = ()) -> bool:
    """Make the directory show exactly these files, and answer whether anything had to be written.

    ``gid`` is the pod's fsGroup: files and directories get it, and may be read by it. ``mount_points`` are paths at
    which other volumes will be mounted. A version that is equal already stays, whatever its age.

    Raises
    ------
    VolumeError: a path that may not be.
    OSError: the disk, or memory, is full.
    """
    payload = checked(payload)
    if gid is not None:
        payload = {path: ProjectedFile(file.data, _group_may_read(file.mode)) for path, file in payload.items()}
    with _opened(os.open(directory, _OPEN_DIRECTORY)) as top:
        if gid is not None:
            _give(top, gid)
        for point in mount_points:
            if point.count("/") < _DEPTH_MAX:  # else whoever mounts there will hear of it
                _make_mount_point(top, point)
        current = _current(top)
        fresh = current is None or not _is_same(top, current, payload, gid)
        if fresh:
            current = _publish(directory, top, payload, gid)
        _link(top, {path.partition("/")[0] for path in payload})
        for name in os.listdir(top):
            if name != current and _VERSION.fullmatch(name):
                remove_directory(directory / name)
    return fresh


@contextlib.contextmanager
def _opened(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _group_may_read(mode: int) -> int:
    return mode | 0o440


def _give(fd: int, gid: int) -> None:
    """A directory that the group may enter, and whose new files belong to it."""
    os.fchown(fd, -1, gid)
    os.fchmod(fd, _DIRECTORY_MODE | stat.S_ISGID)


# --- what is there ---------------------------------------------------------------------------------------------------


def _current(top: int) -> str | None:
    """The version that ``..data`` shows, ``None`` without one, or if it is not one that was written here."""
    try:
        name = os.readlink(DATA, dir_fd=top)
        is_directory = stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode)
    except OSError:
        return None
    return name if is_directory and _VERSION.fullmatch(name) else None


def _is_same(top: int, version: str, payload: Payload, gid: int | None) -> bool:
    left = dict(payload)
    try:
        with _opened(os.open(version, _OPEN_DIRECTORY, dir_fd=top)) as fd:
            return _matches(fd, "", left, gid) and not left
    except OSError:
        return False  # not as it was left: written anew


def _matches(directory: int, prefix: str, left: Payload, gid: int | None) -> bool:
    """Whether everything below is as it should be; takes what it has seen out of ``left``."""
    for name in os.listdir(directory):
        file = left.pop(prefix + name, None)
        if file is not None:
            if not _is_same_file(directory, name, file, gid):
                return False
            continue
        with _opened(os.open(name, _OPEN_DIRECTORY, dir_fd=directory)) as inner:
            if not _matches(inner, f"{prefix}{name}/", left, gid):
                return False
    return True


def _is_same_file(directory: int, name: str, file: ProjectedFile, gid: int | None) -> bool:
    with _opened(os.open(name, _OPEN_FILE, dir_fd=directory)) as fd:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size != len(file.data):
            return False
        if stat.S_IMODE(found.st_mode) != file.mode or gid not in (None, found.st_gid):
            return False
        return os.pread(fd, len(file.data) + 1, 0) == file.data


# --- a new version ---------------------------------------------------------------------------------------------------


def _publish(directory: Path, top: int, payload: Payload, gid: int | None) -> str:
    version = _make_version(top)
    try:
        with _opened(os.open(version, _OPEN_DIRECTORY, dir_fd=top)) as fd:
            os.fchmod(fd, _DIRECTORY_MODE)
            if gid is not None:
                _give(fd, gid)
            _write_files(fd, payload, gid)
        _forget(top, _NEW_DATA)
        os.symlink(version, _NEW_DATA, dir_fd=top)
        os.rename(_NEW_DATA, DATA, src_dir_fd=top, dst_dir_fd=top)
    except BaseException:
        remove_directory(directory / version)
        raise
    return version


def _make_version(top: int) -> str:
    stamp = time.strftime("..%Y_%m_%d_%H_%M_%S", time.gmtime())
    while True:
        version = f"{stamp}.{secrets.randbelow(2**32)}"
        try:
            os.mkdir(version, 0o700, dir_fd=top)
        except FileExistsError:
            continue
        return version


def _write_files(version: int, payload: Payload, gid: int | None) -> None:
    members: dict[str, list[tuple[str, ProjectedFile]]] = {}
    for path, file in payload.items():
        parent, _, name = path.rpartition("/")
        members.setdefault(parent, []).append((name, file))
    for parent, files in members.items():
        with _made(version, parent, gid) as directory:
            for name, file in files:
                _write_file(directory, name, file, gid)


@contextlib.contextmanager
def _made(version: int, path: str, gid: int | None) -> Iterator[int]:
    """A directory of the new version, made with those above it if need be."""
    with contextlib.ExitStack() as opened:
        fd = version
        for part in path.split("/") if path else ():
            try:
                os.mkdir(part, 0o700, dir_fd=fd)
                fresh = True
            except FileExistsError:
                fresh = False
            fd = opened.enter_context(_opened(os.open(part, _OPEN_DIRECTORY, dir_fd=fd)))
            if fresh:
                os.fchmod(fd, _DIRECTORY_MODE)  # whatever the umask
                if gid is not None:
                    _give(fd, gid)
        yield fd


def _write_file(directory: int, name: str, file: ProjectedFile, gid: int | None) -> None:
    with _opened(os.open(name, _CREATE_FILE, 0o600, dir_fd=directory)) as fd:
        left = memoryview(file.data)
        while left:
            left = left[os.write(fd, left) :]
        if gid is not None:
            os.fchown(fd, -1, gid)
        os.fchmod(fd, file.mode)  # after fchown(2), which takes set-ID bits away


def _link(top: int, names: set[str]) -> None:
    """The links that containers see: one for each name at the top, none for what is gone."""
    with os.scandir(top) as entries:
        links = {entry.name for entry in entries if entry.is_symlink() and not entry.name.startswith("..")}
    for name in links - names:
        _forget(top, name)
    for name in names:
        target = f"{DATA}/{name}"
        if name in links:
            if os.readlink(name, dir_fd=top) == target:
                continue
            _forget(top, name)
        # A mount point of that name stays, and hides the file, as under the kubelet.
        with contextlib.suppress(FileExistsError):
            os.symlink(target, name, dir_fd=top)


def _forget(top: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=top)


# --- mount points of other volumes ------------------------------------------------------------------------------------


def _make_mount_point(top: int, path: str) -> None:
    with contextlib.ExitStack() as opened:
        fd = top
        for part in path.split("/"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, _DIRECTORY_MODE, dir_fd=fd)
            try:
                fd = opened.enter_context(_opened(os.open(part, _OPEN_DIRECTORY, dir_fd=fd)))
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    return  # it is a file of the volume: whoever mounts there will hear of it
                raise


def nested_mount_points(mounts: Iterable[Mapping[str, str]], volume: str) -> tuple[str, ...]:
    """Where below the volume other volumes are mounted (kubelet, ``nested_volumes.go``): the volume is read-only, so
    that these directories must be there before.

    ``mounts`` is, for each container, mount path to volume name.
    """
    found: dict[str, None] = {}
    for by_path in mounts:
        paths = sorted(os.path.normpath(path) for path in by_path)
        for own in sorted(os.path.normpath(path) for path, name in by_path.items() if name == volume):
            prefix = own.rstrip("/") + "/"
            outer: list[str] = []
            for path in paths:
                if path.startswith(prefix) and not any(path.startswith(other + "/") for other in outer):
                    outer.append(path)
                    found[path[len(prefix) :]] = None
    return tuple(found)
