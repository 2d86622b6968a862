"""Names that the server makes up."""

from __future__ import annotations

import secrets
from typing import Final

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes, as in apimachinery's ``util/rand``."""
_SUFFIX: Final = 5
_MAX_BASE: Final = 63 - _SUFFIX


def generate_name(base: str) -> str:
    """``metadata.generateName`` plus five random characters, 63 at most."""
    return base[:_MAX_BASE] + "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX))
