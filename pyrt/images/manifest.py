"""The documents that describe an image: index, manifest and configuration, as typed values.

OCI image-spec 1.1 (image-index.md, manifest.md, config.md) and their Docker twins (image manifest version 2, schema 2),
which differ in media types only. What is decoded here came from a stranger: sizes are bounded before, and every digest
is checked to be one before it becomes a file name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from pyrt.ids import Digest
from pyrt.images.errors import InvalidImageError, NoMatchingPlatformError
from pyrt.images.reference import is_digest
from pyrt.images.types import ImageConfig

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)
MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))

MAX_MANIFEST = 4 << 20
"""Bytes; what registries accept (distribution-spec, pushing manifests)."""
MAX_CONFIG = 8 << 20
MAX_LAYERS = 500
"""overlayfs takes 500 lower layers at most (fs/overlayfs/params.h)."""

_LAYER_TYPES = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "riscv64": ("riscv64", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "loongarch64": ("loong64", ""),
}


class Platform(msgspec.Struct, frozen=True):
    """What an image in an index runs on."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A typed pointer to content."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Several manifests under one name, one a platform."""

    manifests: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""


class Manifest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One image: its configuration and its layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""


class RootFs(msgspec.Struct, frozen=True):
    """The layers by the digest of their uncompressed content, lowest first."""

    diff_ids: tuple[str, ...]


class _Settings(msgspec.Struct, frozen=True, rename="pascal"):
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    working_dir: str | None = None
    user: str | None = None
    stop_signal: str | None = None
    volumes: dict[str, object] | None = None
    labels: dict[str, str] | None = None


class ConfigFile(msgspec.Struct, frozen=True):
    """An image configuration. Its digest is the image's id."""

    rootfs: RootFs
    config: _Settings | None = None
    architecture: str = ""
    os: str = "linux"
    created: str | None = None

    def inherited(self) -> ImageConfig:
        """What a container takes over from it."""
        settings = self.config or _Settings()
        return ImageConfig(
            entrypoint=settings.entrypoint or (),
            cmd=settings.cmd or (),
            env=settings.env or (),
            working_dir=settings.working_dir or "",
            user=settings.user or "",
            stop_signal=settings.stop_signal or "",
            volumes=tuple(settings.volumes or ()),
            labels=settings.labels or {},
        )


_Document = TypeVar("_Document", Index, Manifest, ConfigFile)


def _decode(content: bytes, kind: type[_Document], what: str, subject: str) -> _Document:
    try:
        return msgspec.json.decode(content, type=kind, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidImageError(f"cannot read its {what}: {error}", subject=subject) from error


def decode_manifest(content: bytes, media_type: str, subject: str) -> Index | Manifest:
    """Read a manifest or index. ``media_type`` is what the registry called it; the document's own word wins.

    ``subject`` names the image in errors (:class:`InvalidImageError`).
    """
    try:
        head = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidImageError(f"its manifest is not JSON: {error}", subject=subject) from error
    if not isinstance(head, dict):
        raise InvalidImageError("its manifest is not a JSON object", subject=subject)
    if head.get("schemaVersion") == 1:
        raise InvalidImageError(
            "its manifest has schema version 1, which Docker gave up in 2019; push the image again", subject=subject
        )
    # A document that is both kinds at once is an attack (CVE-2021-41190).
    if "manifests" in head and ("config" in head or "layers" in head):
        raise InvalidImageError("its manifest is an index and an image at the same time", subject=subject)
    named = head.get("mediaType") or media_type.partition(";")[0].strip()
    if "manifests" in head and (named in INDEX_TYPES or named not in MANIFEST_TYPES):
        index = _decode(content, Index, "index", subject)
        _check_descriptors(index.manifests, subject)
        return index
    if "config" in head and (named in MANIFEST_TYPES or named not in INDEX_TYPES):
        manifest = _decode(content, Manifest, "manifest", subject)
        _check_descriptors((manifest.config, *manifest.layers), subject)
        _check_kind(manifest, subject)
        return manifest
    raise InvalidImageError(f"its manifest of type {named!r} is not an image", subject=subject)


def decode_config(content: bytes, manifest: Manifest, subject: str) -> ConfigFile:
    """Read an image configuration and hold it against its manifest."""
    config = _decode(content, ConfigFile, "configuration", subject)
    if config.os != "linux":
        raise NoMatchingPlatformError(f"it is made for {config.os}/{config.architecture}", subject=subject)
    count, expected = len(config.rootfs.diff_ids), len(manifest.layers)
    if count != expected:
        raise InvalidImageError(f"its configuration has {count} layers, its manifest {expected}", subject=subject)
    for diff_id in config.rootfs.diff_ids:
        if not is_digest(diff_id):
            raise InvalidImageError(f"its configuration has a layer {diff_id!r}, which is no digest", subject=subject)
    return config


def _check_descriptors(descriptors: Sequence[Descriptor], subject: str) -> None:
    for descriptor in descriptors:
        if not is_digest(descriptor.digest):
            raise InvalidImageError(f"{descriptor.digest!r} in its manifest is no sha256 digest", subject=subject)
        if descriptor.size < 0:
            raise InvalidImageError(f"{descriptor.digest} has a size of {descriptor.size} bytes", subject=subject)


def _check_kind(manifest: Manifest, subject: str) -> None:
    if manifest.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        raise InvalidImageError(f"it is not a container image, but {manifest.config.media_type}", subject=subject)
    if len(manifest.layers) > MAX_LAYERS:
        raise InvalidImageError(f"it has {len(manifest.layers)} layers; overlayfs takes {MAX_LAYERS}", subject=subject)
    for layer in manifest.layers:
        if layer.media_type.endswith("+encrypted"):
            raise InvalidImageError(f"its layer {layer.digest} is encrypted", subject=subject)
        if not layer.media_type.startswith(_LAYER_TYPES):
            raise InvalidImageError(f"its layer {layer.digest} is of type {layer.media_type}", subject=subject)


def host_platform(machine: str = "") -> Platform:
    """The one of this machine, in Go's words (``GOOS``/``GOARCH``), which the image-spec uses."""
    machine = machine or os.uname().machine
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    return Platform(architecture, "linux", variant)


def choose(index: Index, platform: Platform, subject: str) -> Descriptor:
    """The entry of ``index`` for ``platform``: the same variant first, then the most general, then an older one."""

    def rank(descriptor: Descriptor) -> int | None:
        if descriptor.media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            return None
        offered = descriptor.platform
        if offered is None:
            return 3  # An index of a single image need not say.
        if (offered.os, offered.architecture) != (platform.os, platform.architecture):
            return None
        if offered.variant == platform.variant:
            return 0
        if not offered.variant or (platform.architecture, offered.variant) in (("amd64", "v1"), ("arm64", "v8")):
            return 1
        # 32-bit ARM runs what was made for its predecessors; an x86-64-v2 image may not run here.
        return 2 if platform.architecture == "arm" and offered.variant < platform.variant else None

    ranked = [(found, place) for place, each in enumerate(index.manifests) if (found := rank(each)) is not None]
    if ranked:
        return index.manifests[min(ranked)[1]]
    known = [str(each.platform) for each in index.manifests if each.platform and each.platform.os != "unknown"]
    offered = ", ".join(dict.fromkeys(known)) or "nothing"
    # containerd's words, then what there is instead.
    raise NoMatchingPlatformError(
        f"no match for platform in manifest: {platform} wanted, {offered} offered", subject=subject
    )


def chain_ids(diff_ids: Sequence[str]) -> tuple[Digest, ...]:
    """What stands for each layer together with all below it (image-spec, config.md, ``Layer ChainID``)."""
    import hashlib

    chain: list[Digest] = []
    for diff_id in diff_ids:
        if not chain:
            chain.append(Digest(diff_id))
        else:
            chain.append(Digest("sha256:" + hashlib.sha256(f"{chain[-1]} {diff_id}".encode()).hexdigest()))
    return tuple(chain)
