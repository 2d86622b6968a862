"""What is explained, as data: printed as text, or as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImagePart:
    """One image."""

    asked: str
    """As the manifest has it."""
    canonical: str
    policy: str
    """imagePullPolicy."""
    source: str
    """Where it would be pulled from: the registry, or its mirror."""
    local: bool | None
    """Whether it is on this machine; ``None`` if no daemon could be asked."""


@dataclass(frozen=True, slots=True)
class CgroupPart:
    """One cgroup."""

    directories: tuple[str, ...]
    files: tuple[str, ...]
    """``<path> = <value>``, in the order of writing."""


@dataclass(frozen=True, slots=True)
class SandboxPart:
    """What the containers of the pod share."""

    hostname: str
    namespaces: tuple[str, ...]
    files: dict[str, str]
    """/etc/hosts, /etc/resolv.conf and /etc/hostname with their text."""
    plan: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VolumePart:
    """One volume."""

    name: str
    kind: str
    """The word of the manifest: ``emptyDir``."""
    path: str
    """Where it is on the machine."""
    read_only: bool
    """For every container, whatever its mount says."""
    files: tuple[str, ...] = ()
    """Of a volume that is made from API objects: mode and path."""


@dataclass(frozen=True, slots=True)
class ContainerPart:
    """One container."""

    name: str
    kind: str
    """``container``, ``init container`` or ``sidecar``."""
    image: str
    command: tuple[str, ...]
    log: str
    cgroup: CgroupPart
    plan: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """What is not known before the pod runs, and stands as a placeholder above."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One pod."""

    namespace: str
    name: str
    qos_class: str
    images: tuple[ImagePart, ...]
    sandbox: SandboxPart
    addresses: tuple[str, ...]
    """``ip`` commands; the addresses are the first of the configured ranges, for example."""
    cgroup: CgroupPart
    nftables: tuple[str, ...]
    containers: tuple[ContainerPart, ...]
    volumes: tuple[VolumePart, ...] = ()
    unknown: tuple[str, ...] = ()
    """Objects that the pod names and nobody knows; made up above."""
    warnings: tuple[str, ...] = field(default=())
    origin: str = ""
    """Where the pod comes from, if not straight from a manifest: a workload's template."""
