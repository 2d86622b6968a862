"""One run of pyrt-unpack: a stream of compressed bytes in, a directory out.

The program does everything that costs time (both digests, decompression, files) in C and on threads of its own; the
event loop only hands bytes from the socket to its pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

import msgspec

from pyrt.ids import Digest
from pyrt.images.errors import DigestMismatchError, ImageError, InvalidImageError, LimitError, StorageError

PROGRAM: Final = Path(__file__).resolve().parent.parent / "_libexec" / "pyrt-unpack"

_PIPE_SIZE = 1 << 20
_MAX_RESULT = 16 << 20
_UNLIMITED = (1 << 63) - 1


class Unpacked(msgspec.Struct, frozen=True):
    """What pyrt-unpack found in a layer."""

    digest: Digest
    """Of the bytes that went in."""
    diff_id: Digest
    """Of the tar stream that they were."""
    compressed: int
    bytes: int
    """Of the tar stream."""
    entries: int
    content: int
    """Bytes written to files."""
    opaque_root: bool
    """The layer hides everything below it."""
    implied: tuple[str, ...]
    """Directories that it uses but does not have: their owner and mode are a lower layer's."""


class _Failure(msgspec.Struct, frozen=True):
    kind: str
    errno: int
    message: str
    entry: str
    digest: str = ""
    """Of everything that went in, if it was all read; for damaged layers it is."""


async def unpack(
    chunks: AsyncGenerator[bytes, None],
    directory: Path,
    *,
    subject: str,
    digest: Digest | None = None,
    max_bytes: int = 0,
    max_entries: int = 4_000_000,
    keep_fd: int | None = None,
    program: Path | None = None,
    count: Callable[[int], None] = lambda _: None,
) -> Unpacked:
    """Unpack ``chunks`` into the empty ``directory``; a copy of the compressed bytes goes to ``keep_fd``.

    ``max_bytes`` bounds the uncompressed stream (0: no bound), ``subject`` names the layer in errors, ``count`` hears
    of the bytes of each chunk. Raises what ``chunks`` raises, :class:`InvalidImageError` (damaged or hostile),
    :class:`DigestMismatchError` (the bytes are not those of ``digest``), :class:`LimitError` or :class:`StorageError`.
    """
    arguments = [f"--max-bytes={max_bytes or _UNLIMITED}", f"--max-entries={max_entries}"]
    if keep_fd is not None:
        arguments.append(f"--keep-fd={keep_fd}")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with contextlib.ExitStack() as stack:
        pipe = stack.enter_context(os.fdopen(writing, "wb", buffering=0))
        with contextlib.suppress(OSError):  # The user's share of pipe memory may be used up: slower, not wrong.
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        os.set_blocking(writing, False)
        try:
            process = await asyncio.create_subprocess_exec(
                program or PROGRAM,
                *arguments,
                directory,
                stdin=reading,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=() if keep_fd is None else (keep_fd,),
                env={},
                limit=_MAX_RESULT,
            )
        except OSError as error:
            raise StorageError(subject=subject, operation="run pyrt-unpack", errno=error.errno) from error
        finally:
            os.close(reading)
        try:
            await _feed(chunks, pipe.fileno(), count)
            pipe.close()
            assert process.stdout is not None
            line = await process.stdout.read()
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return _result(line, process.returncode or 0, subject, digest)


async def _feed(chunks: AsyncGenerator[bytes, None], fd: int, count: Callable[[int], None]) -> None:
    """Write everything to the non-blocking ``fd``. Ends early, quietly, when the reader has gone: it says why."""
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            view = memoryview(chunk)
            while view:
                try:
                    view = view[os.write(fd, view) :]
                except BlockingIOError:
                    await _writable(fd)
                except BrokenPipeError:
                    return
            count(len(chunk))


async def _writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _result(line: bytes, status: int, subject: str, expected: Digest | None) -> Unpacked:
    try:
        if status == 0:
            unpacked = msgspec.json.decode(line, type=Unpacked)
            _check(unpacked.digest, expected, subject)
            return unpacked
        failure = msgspec.json.decode(line, type=_Failure)
    except msgspec.DecodeError:
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        raise InvalidImageError(f"pyrt-unpack failed: {how}", subject=subject) from None
    if failure.kind in ("corrupt", "truncated"):
        _check(failure.digest, expected, subject)
    raise _error(failure, subject)


def _check(actual: str, expected: Digest | None, subject: str) -> None:
    if expected is not None and actual != expected:
        raise DigestMismatchError(f"its content has the digest {actual}", subject=subject)


def file_name(text: str) -> str:
    """A path that pyrt-unpack printed: each character is one byte of it."""
    return os.fsdecode(text.encode("latin-1"))


def _printable(text: str) -> str:
    shown = text.encode("latin-1").decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown)


def _error(failure: _Failure, subject: str) -> ImageError:
    message = _printable(f"{failure.message} ({failure.entry})" if failure.entry else failure.message)
    if failure.kind == "limit":
        return LimitError(message, subject=subject)
    if failure.kind == "io":
        return StorageError(subject=subject, operation=f"unpack: {message}", errno=failure.errno or errno.EIO)
    if failure.kind == "hostile" and failure.errno:
        message += f": {os.strerror(failure.errno)}"
    kinds = {"truncated": "truncated", "hostile": "refused", "corrupt": "damaged"}
    return InvalidImageError(f"{kinds[failure.kind]}: {message}", subject=subject)
