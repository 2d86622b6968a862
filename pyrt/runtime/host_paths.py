"""Directories of the host that a kubelet's container mounts and that are not there: they are made, as by its peers."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pyrt.runtime.config import Mount


def make_host_paths(mounts: Iterable[Mount]) -> None:
    """Raises OSError. A link that leads nowhere is not followed to make what it names."""
    for mount in mounts:
        if mount.make_host_path and not os.path.exists(mount.host_path):
            os.makedirs(mount.host_path, 0o755)
