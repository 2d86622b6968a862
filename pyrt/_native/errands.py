"""Directories and small files that a thread makes, without the interpreter, while the caller goes on."""

from __future__ import annotations

from typing import Any

from pyrt._native._cffi import ffi, lib
from pyrt._native.failure import fail


class Errand:
    """Steps that are under way, in order, until the first that fails. Errands are done in the order of their begin."""

    __slots__ = ("_errand",)

    def __init__(self, steps: str) -> None:
        """Begin. ``steps`` are pairs of strings, each followed by a zero byte: a path and an empty one for a directory
        that is to be made (mode 0755) unless it is there; the path of a file, and what is written into it.
        """
        data = steps.encode("utf-8", "surrogateescape")
        self._errand: Any = lib.errand_begin(data, len(data))
        if self._errand == ffi.NULL:
            fail("begin an errand")

    def wait(self) -> int:
        """0, or the errno of the step that failed. To be called once: until then it is kept."""
        errand, self._errand = self._errand, None
        return int(lib.errand_wait(errand))
