"""Directories and small files that a thread makes, without the interpreter, while the caller goes on."""

from __future__ import annotations

import os

from pyrt._native._cffi import ffi, lib
from pyrt._native.failure import fail
from pyrt.records import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Errand:
    """Steps that are under way, in order, until the first that fails. Errands are done in the order of their begin."""

    __slots__ = ("_errand", "fd")

    def __init__(self, steps: str) -> None:
        """Begin. ``steps`` are pairs of strings, each followed by a zero byte: a path and an empty one for a directory
        that is to be made (mode 0755) unless it is there; the path of a file, and what is written into it.
        """
        data = steps.encode("utf-8", "surrogateescape")
        self._go(lib.errand_begin(data, len(data)))

    @classmethod
    def files(cls, steps: str, attributes: int) -> Errand:
        """Begin to make files of mode 0644 in a tmpfs of their own, of 1 MiB and 16 inodes, attached nowhere.

        ``steps`` are names and contents, each followed by a zero byte; ``attributes`` are MOUNT_ATTR_*.
        """
        data = steps.encode("utf-8", "surrogateescape")
        errand = cls.__new__(cls)
        errand._go(lib.errand_begin_files(data, len(data), attributes))
        return errand

    def _go(self, errand: Any) -> None:
        self._errand = errand
        self.fd = -1
        """The mount of :meth:`files`, after :meth:`wait`: the caller's."""
        if errand == ffi.NULL:
            fail("begin an errand")

    def discard(self) -> None:
        """Wait, and close what it was for."""
        self.wait()
        if self.fd >= 0:
            os.close(self.fd)

    def wait(self) -> int:
        """0, or the errno of the step that failed. To be called once: until then it is kept."""
        errand, self._errand = self._errand, None
        fd = ffi.new("int *", -1)
        number = int(lib.errand_wait(errand, fd))
        self.fd = int(fd[0])
        return number
