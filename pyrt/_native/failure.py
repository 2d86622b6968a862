"""From a C answer of -1 to an exception."""

from __future__ import annotations

import os

from pyrt._native._cffi import ffi
from pyrt.records import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn


def fail(operation: str) -> NoReturn:
    """Raise the :class:`OSError` of the call that has just answered -1. ``operation`` names it, with its object."""
    number = ffi.errno
    raise OSError(number, os.strerror(number), operation)
