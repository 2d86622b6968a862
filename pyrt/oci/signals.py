"""Names and numbers of signals (signal(7))."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]

from pyrt.oci.errors import OciError

NAMES = {name[3:]: number for name, number in vars(_signal).items() if name[:3] == "SIG" and name[3] != "_"}
"""``TERM`` -> 15. Without ``signal``, whose enumerations take long to make."""


def number_of(text: str) -> int:
    """``9``, ``KILL``, ``SIGKILL``, ``sigkill``, ``RTMIN+1``. Raises :class:`OciError`."""
    if text.isascii() and text.isdigit():
        if int(text) < _signal.NSIG:
            return int(text)
        raise OciError(f'unknown signal "{text}"')
    name, plus, offset = text.upper().removeprefix("SIG").partition("+")
    number: int | None = NAMES.get(name)
    if number is None or (plus and not offset.isdigit()) or number + int(offset or 0) >= _signal.NSIG:
        raise OciError(f'unknown signal "{text}"')
    return number + int(offset or 0)
