"""What the daemon holds of the machine's memory."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Return freed memory to the kernel. malloc(3) keeps it otherwise: what start-up needs once (modules as they are
    read, nftables' cache of the ruleset) is some 7 MiB that nobody uses again. Takes a few milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other C libraries need none
    if trim is not None:
        trim(0)
