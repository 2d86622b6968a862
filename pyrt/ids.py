"""Names for the identifiers that travel between layers.

All are plain strings at run time; the types keep a sandbox id from being passed where a container id belongs.
"""

from __future__ import annotations

import secrets
from typing import NewType

SandboxId = NewType("SandboxId", str)
"""64 lower-case hexadecimal digits, as CRI clients expect."""

ContainerId = NewType("ContainerId", str)
"""64 lower-case hexadecimal digits."""

PodUid = NewType("PodUid", str)
"""``metadata.uid``: a UUID for API pods, 32 hexadecimal digits for static pods."""

Digest = NewType("Digest", str)
"""``sha256:`` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md)."""

ImageId = NewType("ImageId", str)
"""The digest of an image's configuration blob, with its ``sha256:`` prefix."""


def new_sandbox_id() -> SandboxId:
    """A fresh random sandbox id."""
    return SandboxId(secrets.token_hex(32))


def new_container_id() -> ContainerId:
    """A fresh random container id."""
    return ContainerId(secrets.token_hex(32))
