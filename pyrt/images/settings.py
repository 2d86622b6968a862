"""What an operator can decide about images: where they lie, where they come from, how large they may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How one registry host (``docker.io``, ``10.0.0.5:5000``) is reached."""

    mirrors: tuple[str, ...] = ()
    """Tried in order before the registry itself: ``http://127.0.0.1:5000``, ``https://mirror.example/prefix``, or the
    absolute path of an OCI layout directory. Names stay canonical: ``docker.io/library/nginx:latest``."""
    mirrors_only: bool = False
    """Never ask the registry itself."""
    insecure: bool = False
    """Plain http is allowed (tried when https fails), and certificates are not verified."""
    ca_file: Path | None = None
    """Trusted beside the system's authorities."""
    client_cert: Path | None = None
    client_key: Path | None = None


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """The image store of one instance."""

    root: Path
    """Blobs go to ``root/images``, unpacked layers to ``root/layers``."""
    unpacker: Path | None = None
    """The pyrt-unpack program; ``None`` is the one that was installed with this package."""
    registries: Mapping[str, RegistrySettings] = field(default_factory=dict)
    docker_config: Path | None = None
    """A docker ``config.json`` with credentials; ``None`` is ``$DOCKER_CONFIG/config.json``, then
    ``~/.docker/config.json``."""
    keep_blobs: bool = True
    """Keep the compressed layers after unpacking. ``image save`` needs them; without them a pulled image takes about a
    third less disk."""
    parallel_layers: int = 3
    """Layers of one pull downloaded and unpacked side by side (as the kubelet's peers do)."""
    max_layer_bytes: int = 32 << 30
    """Of one layer, unpacked."""
    max_layer_entries: int = 4_000_000
    max_layers: int = 127
    """Docker's and overlayfs's own bound is near."""
    connect_timeout: float = 15.0
    """Seconds."""
    stall_timeout: float = 60.0
    """Seconds without a byte before a transfer counts as cut."""
    retries: int = 5
    """Times one blob's transfer is taken up again after a cut without progress in between."""
