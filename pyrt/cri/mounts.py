"""``Mount``: what of the host is in a container (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.cri.namespaces import user_namespace
from pyrt.images.types import Image
from pyrt.launch.context import UserNamespace
from pyrt.runtime.config import Mount, Propagation

_PROPAGATION: Final = {
    cri.PROPAGATION_PRIVATE: Propagation.PRIVATE,
    cri.PROPAGATION_HOST_TO_CONTAINER: Propagation.HOST_TO_CONTAINER,
    cri.PROPAGATION_BIDIRECTIONAL: Propagation.BIDIRECTIONAL,
}


NO_IMAGES: Final[Mapping[str, Image]] = MappingProxyType({})
_OPTIONS: Final = frozenset(("noexec", "nodev", "nosuid"))
"""Those of KEP-5855."""


def _options(words: Iterable[str], field: str) -> tuple[str, ...]:
    options = tuple(words)
    for word in options:
        if word not in _OPTIONS:
            raise invalid(field, f"expected {', '.join(sorted(_OPTIONS))}, got {word!r}")
    return options


def mount_of(
    message: cri.Mount, field: str, ids: UserNamespace | None = None, images: Mapping[str, Image] = NO_IMAGES
) -> Mount:
    """One bind mount, or the content of an image. ``ids``: the pod's user namespace; ``images``: what the names of
    image mounts stand for. Raises :class:`pyrt.cri.errors.CriError`.
    """
    if not message.container_path.strip("/"):
        raise invalid(f"{field}.container_path", f"expected a path below /, got {message.container_path!r}")
    image = images.get(message.image.image)
    if message.image.image:
        if image is None:
            raise invalid(f"{field}.image", f"there is no image {message.image.image!r}")
        if message.host_path:
            raise invalid(f"{field}.host_path", "not together with an image")
        if not message.readonly:
            raise invalid(f"{field}.readonly", "an image can only be mounted read-only")
    elif message.image_sub_path:
        raise invalid(f"{field}.image_sub_path", "expected an image")
    elif not message.host_path.startswith("/"):
        raise invalid(f"{field}.host_path", f"expected an absolute path, got {message.host_path!r}")
    if message.propagation not in _PROPAGATION:
        raise invalid(f"{field}.propagation", f"unknown propagation {message.propagation}")
    propagation = _PROPAGATION[message.propagation]
    if message.recursive_read_only and not message.readonly:
        raise invalid(f"{field}.recursive_read_only", "recursive read-only mount conflicts with RW mount")
    if message.recursive_read_only and propagation is not Propagation.PRIVATE:
        raise invalid(f"{field}.recursive_read_only", "recursive read-only mount needs private propagation")
    path, options = "/" + message.container_path.lstrip("/"), _options(message.mount_options, f"{field}.mount_options")
    mapped = _mapped(message, ids, field)
    if image is not None:
        return Mount(
            container_path=path,
            host_path=Path(),
            readonly=True,
            sub_path=_sub_path(message.image_sub_path, f"{field}.image_sub_path"),
            make_sub_path=False,
            options=options,
            layers=image.layers,
            image=image.id,
            mapped=False,  # its layers are, where they have to be
            description=f"image {message.image.user_specified_image or message.image.image}",
        )
    return Mount(
        container_path=path,
        host_path=Path(message.host_path),
        readonly=message.readonly,
        recursive_readonly=message.recursive_read_only,
        propagation=propagation,
        make_host_path=True,
        current=True,
        options=options,
        mapped=mapped,
    )


def _sub_path(asked: str, field: str) -> str:
    if asked.startswith("/") or ".." in asked.split("/"):
        raise invalid(field, f"expected a relative path without .., got {asked!r}")
    return asked


def _mapped(message: cri.Mount, ids: UserNamespace | None, field: str) -> bool:
    """Whether the mount has the pod's ids. Other mappings are refused: no kubelet asks for any."""
    if not message.uidMappings and not message.gidMappings:
        return False
    asked = cri.UserNamespace(mode=cri.POD, uids=message.uidMappings, gids=message.gidMappings)
    if ids is None or user_namespace(asked, f"{field}.uidMappings") != ids:
        raise invalid(f"{field}.uidMappings", "expected the mappings of the sandbox's user namespace")
    return True
