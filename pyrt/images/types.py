"""What the rest of pyrt knows of an image: its identity, its configuration, and the directories of its layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pyrt.ids import Digest, ImageId


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The part of an OCI image configuration that a container inherits (image-spec, config.md, ``config``)."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    """``NAME=value`` strings, in order."""
    working_dir: str = ""
    user: str = ""
    """``user``, ``uid``, ``user:group``, ``uid:gid`` or empty."""
    stop_signal: str = ""
    """``SIGQUIT``, ``QUIT`` or ``3``; empty for the default."""
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is present on this machine, unpacked and ready to be a container's root."""

    id: ImageId
    manifest_digest: Digest
    repo_tags: tuple[str, ...]
    """Canonical: ``docker.io/library/nginx:latest``."""
    repo_digests: tuple[str, ...]
    """Canonical: ``docker.io/library/nginx@sha256:...``."""
    size: int
    """Bytes of compressed content and configuration."""
    config: ImageConfig
    layers: tuple[Path, ...]
    """Unpacked layer directories, lowest first; each may be shared with other images and is never written to."""
