"""Reading and writing cgroup files: a few system calls each, errors that name the file and the value."""

from __future__ import annotations

import os

from pyrt.cgroups.errors import CgroupError

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW


def write(path: str, *values: str) -> None:
    """Write each value in a system call of its own, as cgroup files want it."""
    value = values[0]
    try:
        fd = os.open(path, _WRITE)
        try:
            for value in values:
                os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise CgroupError(operation=f"write {value!r} to {path}", errno=error.errno) from error


def read(path: str) -> str:
    """The whole file."""
    try:
        fd = os.open(path, _READ)
        try:
            chunks = []
            while chunk := os.read(fd, 65536):
                chunks.append(chunk)
        finally:
            os.close(fd)
    except OSError as error:
        raise CgroupError(operation=f"read {path}", errno=error.errno) from error
    return b"".join(chunks).decode()


def read_or_none(path: str) -> str | None:
    """The whole file, or ``None`` when it (or its cgroup) does not exist."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return None
    try:
        chunks = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
    except OSError:  # ENODEV: removed between open and read
        return None
    finally:
        os.close(fd)
    return b"".join(chunks).decode()


def read_int(path: str) -> int:
    """A file of one number; 0 when it is absent or says ``max``."""
    text = read_or_none(path)
    text = text.strip() if text else ""
    return int(text) if text.isdigit() else 0


def read_limit(path: str) -> int | None:
    """A file of one number; ``None`` when it is absent or says ``max``."""
    text = read_or_none(path)
    text = text.strip() if text else ""
    return int(text) if text.isdigit() else None


def read_keyed(path: str) -> dict[str, int]:
    """A file of ``key number`` lines; empty when it is absent."""
    text = read_or_none(path)
    if not text:
        return {}
    pairs = (line.split(" ") for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def make_directory(path: str, base: str) -> None:
    """Make a directory, with the parents below ``base`` if they are missing. An existing directory is as good as a
    new one.
    """
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    except FileNotFoundError as error:
        parent = os.path.dirname(path)
        if len(parent) < len(base):
            raise CgroupError(operation=f"create cgroup {path}", errno=error.errno) from error
        make_directory(parent, base)
        make_directory(path, base)
    except OSError as error:
        raise CgroupError(operation=f"create cgroup {path}", errno=error.errno) from error


def remove_tree(path: str) -> bool:
    """Remove a cgroup and the ones that its processes may have made below it. ``False`` if one is still busy.

    Only directories are removed, and a cgroup's own files cannot be unlinked, so nothing but cgroups can be lost.
    """
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        pass
    else:
        return True
    try:
        with os.scandir(path) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return True
    if not below:
        return False
    busy = [child for child in below if not remove_tree(child)]
    if busy:
        return False
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
