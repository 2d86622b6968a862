"""What the rest of pyrt knows of an image: its identity, its configuration, and the directories of its layers.

The second half are the small values that travel with a pull: who may pull when, how it is getting on, what a removal or
a look at the disk found.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
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
    created: str = ""
    """RFC 3339, as the image's author wrote it; of an image that does not say, when it came to this machine."""
    architecture: str = ""
    os: str = "linux"
    managed: bool = False
    """A kubelet has pulled it, and decides when it goes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Tags and digests."""
        return (*self.repo_tags, *self.repo_digests)


class PullPolicy(enum.Enum):
    """``imagePullPolicy`` of a container."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class LayerState(enum.Enum):
    """Where one layer (or the image's configuration) is on its way into the store."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    """Downloaded and unpacked at once: the layer is usable a moment after its last byte."""
    RETRYING = "retrying"
    """The connection was cut; the transfer goes on from where it stopped."""
    DONE = "done"
    PRESENT = "present"
    """Already here, nothing to do."""


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """One observation of one layer, at most about ten a second."""

    digest: Digest
    """Of the compressed layer, as the manifest has it."""
    done: int
    """Compressed bytes so far."""
    total: int
    """Compressed bytes in all."""
    state: LayerState
    rate: float = 0.0
    """Bytes a second since the layer was begun."""

    @property
    def short(self) -> str:
        """The first twelve digits of the digest, as people compare them."""
        return self.digest.partition(":")[2][:12]


Progress = Callable[[LayerProgress], None]
"""Called on the event loop with each observation; must not block."""


class ArchiveFormat(enum.Enum):
    """What ``save`` writes and ``import_`` reads."""

    OCI_LAYOUT = "oci"
    """A directory with oci-layout, index.json and blobs/."""
    OCI_ARCHIVE = "oci-archive"
    """The same in a tar file."""
    DOCKER_ARCHIVE = "docker-archive"
    """What ``docker save`` writes: a tar file with manifest.json."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal or a pruning took away."""

    untagged: tuple[str, ...] = ()
    """Canonical names that no longer exist."""
    deleted: tuple[ImageId, ...] = ()
    reclaimed: int = 0
    """Bytes on disk given back."""


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What the image store holds (``pyrt system df``, CRI ``ImageFsInfo``)."""

    path: Path
    images: int
    layers: int
    bytes: int
    """Of blobs and unpacked layers together."""
    inodes: int
    reclaimable: int
    """Bytes that pruning unused images would give back."""


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer of an image, for ``inspect``."""

    digest: Digest
    """Of the compressed layer."""
    diff_id: Digest
    """Of the uncompressed tar stream."""
    size: int
    """Compressed bytes."""
    unpacked: int
    """Bytes of file content."""
    path: Path
