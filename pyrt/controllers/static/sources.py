"""Where manifests of static pods come from: a directory, and a URL. Effects only: what is read is judged elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

from pyrt.controllers.static.errors import SourceError
from pyrt.kube.manifest import MAX_BYTES

HTTP_TIMEOUT_SECONDS: Final = 10


def read_directory(directory: Path) -> dict[str, bytes | OSError]:
    """Every regular file of a directory that is not hidden, by its path: the text, or why it cannot be read.

    Links are followed, directories are not. A directory that does not exist has no files.

    Raises
    ------
    SourceError: the directory cannot be read.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(directory))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SourceError(subject=str(directory), operation="read", errno=error.errno) from error
    found: dict[str, bytes | OSError] = {}
    for name in names:
        if name.startswith("."):
            continue
        path = directory / name
        try:
            text = _read(path)
        except FileNotFoundError:
            continue  # it was there a moment ago
        except OSError as error:
            found[str(path)] = error
            continue
        if text is not None:
            found[str(path)] = text
    return found


def _read(path: Path) -> bytes | None:
    """A regular file, up to one byte more than a manifest may have; ``None`` for anything else."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(fd)


async def fetch(url: str, headers: Mapping[str, str]) -> bytes:
    """What a URL says.

    Raises
    ------
    SourceError: no answer within ten seconds, another answer than 200, or too much of it.
    """
    timeout = aiohttp.ClientTimeout(total=HTTP_TIMEOUT_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as response:
            if response.status != 200:
                raise SourceError(f"answered {response.status} {response.reason}", subject=url)
            text = await response.content.read(MAX_BYTES + 1)
            while len(text) <= MAX_BYTES and (more := await response.content.read(MAX_BYTES + 1 - len(text))):
                text += more
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise SourceError(str(error) or type(error).__name__, subject=url) from error
    if len(text) > MAX_BYTES:
        raise SourceError(f"more than {MAX_BYTES} bytes", subject=url)
    return text
