"""What a volume type is, and what it hands to the layers above. One file a type beside this one; one table in
registry.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pyrt.ids import ImageId
from pyrt.kube.pod import Pod
from pyrt.kube.volumes import Volume
from pyrt.volumes.references import NONE, References


@dataclass(frozen=True, slots=True)
class ImageContent:
    """An image that is here, as a volume is made from it."""

    id: ImageId
    layers: tuple[Path, ...]
    """Directories, lowest first."""
    digest: str
    """``docker.io/library/data@sha256:...``, for the status."""


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """The pod that a volume belongs to, as far as volumes care."""

    pod_uid: str
    directory: Path
    """``<root>/pods/<uid>/volumes``: each volume with state on disk has a directory of its name in here."""
    pod: Pod = field(default_factory=Pod)
    references: References = NONE
    """The API objects that a volume is made from. For types with ``on_loop``."""
    memory: Path = Path("/run/pyrt/volumes")
    """``<run>/volumes/<uid>``, where nothing reaches a disk: each volume of API objects has a directory in here."""
    allocatable: Mapping[str, str] = field(default_factory=dict)
    """What the node has for pods, by resource: limits that are not set (resourceFieldRef)."""
    images: Mapping[str, ImageContent] = field(default_factory=dict)
    """By volume name: what has been pulled for image volumes."""


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A volume in memory: the pod process mounts it on the volume's path, in a mount namespace only the pod has."""

    size: int | None
    """Bytes; ``None`` is the kernel's default, half of memory."""
    mode: int = 0o777
    gid: int | None = None
    """The group of its top directory; ``None`` is root's."""
    huge_pages: int = 0
    """Bytes of a page: a hugetlbfs instead. 0 is a tmpfs."""


@dataclass(frozen=True, slots=True)
class PreparedVolume:
    """A volume that containers can mount."""

    name: str
    kind: str
    """The word of the manifest: ``emptyDir``, ``hostPath``."""
    path: Path
    """What to bind into containers."""
    tmpfs: Tmpfs | None = None
    size_limit: int | None = None
    """Bytes on disk beyond which the pod is evicted (the kernel does not enforce it); ``None`` for no limit."""
    makes_sub_paths: bool = True
    """Whether a ``subPath`` that does not exist is made on first use."""
    takes_group: bool = False
    """fsGroup applies to what is in it; :mod:`pyrt.volumes.finish` sees to that."""
    must_be: str | None = None
    """The hostPath type that ``path`` is still to be checked for; ``None``: nothing is left to check."""
    layers: tuple[Path, ...] = ()
    """An image's layers, lowest first: an overlay of them is mounted on ``path`` in the pod's mount namespace."""
    image: ImageId | None = None
    """The image that must not be removed while the volume is in use."""
    image_ref: str = ""
    """Its digest reference, for the status."""
    read_only: bool = False
    """Whether every container mounts it read-only, whatever its mount says."""
    follows_objects: bool = False
    """Whether it is to be prepared again when an object of the API that it is made from, or the pod, changes."""
    complaint: str = ""
    """Why what is in it is not what it should be; empty if it is."""

    @property
    def description(self) -> str:
        """For errors and ``explain``: ``emptyDir cache``."""
        return f"{self.kind} {self.name}"


class VolumeType(Protocol):
    """One type of volume. Methods may block on the disk and raise :class:`pyrt.volumes.errors.VolumeError`."""

    kind: str
    on_loop: bool
    """:meth:`prepare` is short, and is called on the event loop, where it may ask ``context.references``; else it may
    wait for a disk, or for a server far away, and is called on a thread."""

    def plan(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """What :meth:`prepare` will answer, without touching anything (for ``explain``)."""

    def prepare(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """Make the volume ready; called again after a restart of the daemon or sandbox, and finds what is there."""

    def teardown(self, volume: Volume, context: VolumeContext) -> None:
        """Remove what :meth:`prepare` made. Succeeds when there is nothing."""
