"""What the daemon holds of the machine's memory."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Final

_DONTNEED: Final = 4
"""MADV_DONTNEED (madvise(2))."""
_PROGRAM: Final = "r-xp"
"""Permissions of a mapping that holds machine code: its pages are the file's own, nothing has written to them."""


def give_back() -> None:
    """Return to the kernel what start-up has used and nobody uses again; takes a few milliseconds.

    Freed memory, which malloc(3) would keep (modules as they were read, nftables' cache of the ruleset), and the pages
    of libraries that only set themselves up. A page of code that is called after all is mapped again, out of the page
    cache.
    """
    library = ctypes.CDLL(None)
    trim = getattr(library, "malloc_trim", None)  # glibc's; other C libraries need none
    if trim is not None:
        trim(0)
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, end in _libraries(Path("/proc/self/maps").read_text()):
        library.madvise(start, end - start, _DONTNEED)


def _libraries(maps: str) -> list[tuple[int, int]]:
    """The machine code of libraries, by addresses (proc_pid_maps(5))."""
    found = []
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1] == _PROGRAM and ".so" in fields[5]:
            start, _, end = fields[0].partition("-")
            found.append((int(start, 16), int(end, 16)))
    return found
