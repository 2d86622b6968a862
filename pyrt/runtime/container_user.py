"""Who a container runs as: the security context, else the image, with names looked up in the image's own files."""

from __future__ import annotations

import functools
from pathlib import Path

from pyrt.launch.user import Identity, resolve_in_layers
from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.errors import InvalidConfigError


def resolve_user(config: ContainerConfig) -> Identity:
    """Numbers for the container's user, group and additional groups.

    Raises :class:`InvalidConfigError` for root where runAsNonRoot is set, in the kubelet's words; LaunchError for a
    name that the image does not know.
    """
    security = config.security
    if security.run_as_user is not None:
        user = str(security.run_as_user)
    else:
        user = security.run_as_username or config.image.config.user
    merge = security.supplemental_groups_policy != "Strict"
    found = _lookup(config.image.layers, user, security.run_as_group, merge)
    if security.run_as_non_root and found.uid == 0:
        if security.run_as_user == 0:
            raise InvalidConfigError("container's runAsUser breaks non-root policy", operation="runAsNonRoot")
        raise InvalidConfigError("container has runAsNonRoot and image will run as root", operation="runAsNonRoot")
    # The primary group too: setgid(2), or a set-group-ID program, would else get rid of it, and with it of what files
    # deny to that group (CVE-2022-2995, CVE-2023-25173).
    groups = tuple(sorted({found.gid, *found.groups, *security.supplemental_groups}))
    return Identity(found.uid, found.gid, groups, found.home, found.name)


@functools.lru_cache(maxsize=512)
def _lookup(layers: tuple[Path, ...], user: str, gid: int | None, merge: bool) -> Identity:
    """Layers are never written to, so an answer holds for ever."""
    return resolve_in_layers([str(layer) for layer in layers], user, gid=gid, merge_groups=merge)
