"""Images that stay: those whose names the configuration pins."""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Iterable
from typing import Protocol

from pyrt.images.errors import InvalidReferenceError
from pyrt.images.reference import parse_reference

log = logging.getLogger(__name__)


class _Named(Protocol):
    @property
    def names(self) -> tuple[str, ...]: ...


class Pins:
    """``[images] pinned``, ready to be held against names."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._exact: set[str] = set()
        shapes = []
        for pattern in patterns:
            if re.search(r"[*?\[]", pattern):
                shapes.append(fnmatch.translate(pattern))
                continue
            try:
                self._exact.add(parse_reference(pattern).canonical)
            except InvalidReferenceError as error:
                log.warning("images.pinned: %s", error)
        self._shape = re.compile("|".join(shapes)) if shapes else None

    def hold(self, image: _Named) -> bool:
        """Whether one of the image's names is pinned."""
        return any(name in self._exact or self._fits(name) for name in image.names)

    def _fits(self, name: str) -> bool:
        shape = self._shape
        return shape is not None and bool(shape.match(name) or shape.match(parse_reference(name).familiar))
