"""User and group names of an image -> numbers, from its own /etc/passwd and /etc/group.

Both files come with the image: they may be links, devices, FIFOs, endless or malformed. They are opened below the
image's root (openat2, RESOLVE_IN_ROOT), must be regular files, and are read up to a bound.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from pyrt import _native
from pyrt.launch.errors import LaunchError
from pyrt.records import dataclass

MAX_BYTES = 4 << 20
MAX_ID = 0xFFFFFFFE
RESOLVE_IN_ROOT = 0x10
RESOLVE_NO_MAGICLINKS = 0x02


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    """Additional groups the image's /etc/group gives the user."""
    home: str = "/"
    name: str = ""
    """As in /etc/passwd; empty when there is no entry."""


@dataclass(frozen=True, slots=True)
class _Passwd:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def _read(root_fd: int, path: str) -> str:
    """A bounded regular file below the root; empty when it is not there."""
    # O_NONBLOCK: opening a FIFO must not wait for a writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    try:
        if not stat.S_ISREG(_mode(root_fd, path)):
            raise LaunchError("not a regular file", operation=f"read {path} of the image")
        fd = _native.openat2(root_fd, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as e:
        raise LaunchError(operation=f"read {path} of the image", errno=e.errno) from e
    with os.fdopen(fd, "rb") as f:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise LaunchError("not a regular file", operation=f"read {path} of the image")
        data = f.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LaunchError(f"larger than {MAX_BYTES} bytes", operation=f"read {path} of the image")
    return data.decode("utf-8", "surrogateescape")


def _mode(root_fd: int, path: str) -> int:
    fd = _native.openat2(root_fd, path, os.O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    try:
        return os.fstat(fd).st_mode
    finally:
        os.close(fd)


def _number(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_ID:
        return int(text)
    return None


def _passwd(text: str) -> Iterator[_Passwd]:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) < 4 or line.startswith("#"):
            continue
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is not None and gid is not None and fields[0]:
            yield _Passwd(fields[0], uid, gid, fields[5] if len(fields) > 5 else "")


def _groups(text: str) -> Iterator[_Group]:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) < 3 or line.startswith("#"):
            continue
        gid = _number(fields[2])
        if gid is not None and fields[0]:
            members = tuple(m.strip() for m in fields[3].split(",")) if len(fields) > 3 else ()
            yield _Group(fields[0], gid, members)


def resolve(root_fd: int, user: str = "", *, gid: int | None = None, merge_groups: bool = True) -> Identity:
    """Read ``user``, ``uid``, ``user:group``, ``uid:gid`` or nothing (root), as images have it.

    ``gid`` (runAsGroup) takes the place of the primary group. With ``merge_groups`` the user's groups of /etc/group
    are added (supplementalGroupsPolicy Merge). Raises :class:`LaunchError`: a name without an entry, a number out of
    range, a file that cannot be read.
    """
    return lookup(_read(root_fd, "etc/passwd"), _read(root_fd, "etc/group"), user, gid=gid, merge_groups=merge_groups)


def resolve_in_layers(
    layers: Iterable[str], user: str = "", *, gid: int | None = None, merge_groups: bool = True
) -> Identity:
    """The same from an image's unpacked layers, lowest first, before they are mounted: the topmost layer with the
    file has it.
    """
    passwd, group = _from_layers(layers, "etc/passwd"), _from_layers(layers, "etc/group")
    return lookup(passwd, group, user, gid=gid, merge_groups=merge_groups)


def _from_layers(layers: Iterable[str], path: str) -> str:
    for layer in reversed(list(layers)):
        try:
            found = os.lstat(f"{layer}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as e:
            raise LaunchError(operation=f"read {path} of the image", errno=e.errno) from e
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            return ""  # a whiteout: deleted by this layer
        fd = os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _read(fd, path)
        finally:
            os.close(fd)
    return ""


def lookup(passwd: str, group: str, user: str = "", *, gid: int | None = None, merge_groups: bool = True) -> Identity:
    """The same from the texts of the two files. Pure."""
    name, separator, group_name = user.partition(":")
    uid = _number(name) if name else 0
    if name and uid is None and name.isdigit():
        raise LaunchError(f"{name} is out of range", operation=f"user {user}")
    entry = next((e for e in _passwd(passwd) if (e.uid == uid if uid is not None else e.name == name)), None)
    if uid is None:
        if entry is None:
            raise LaunchError("no such user in the image's /etc/passwd", operation=f"user {name}")
        uid = entry.uid
    groups = list(_groups(group))
    primary = entry.gid if entry is not None else 0
    if separator and group_name:
        number = _number(group_name)
        if number is None:
            found = next((g for g in groups if g.name == group_name), None)
            if found is None:
                raise LaunchError("no such group in the image's /etc/group", operation=f"group {group_name}")
            number = found.gid
        primary = number
    if gid is not None:
        primary = gid
    extra: tuple[int, ...] = ()
    if merge_groups and entry is not None:
        extra = tuple(sorted({g.gid for g in groups if entry.name in g.members} - {primary}))
    home = entry.home if entry is not None and entry.home else "/"
    return Identity(uid, primary, extra, home, entry.name if entry is not None else "")
