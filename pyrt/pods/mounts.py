"""``volumeMounts`` of a container: which part of which volume goes where, and how (kubelet, ``makeMounts``). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyrt.kube.container import VolumeMount
from pyrt.kube.expand import expand, names_in
from pyrt.pods.errors import ContainerConfigError
from pyrt.runtime.config import Mount, Propagation
from pyrt.volumes.types import PreparedVolume

_PROPAGATION: Final = {
    None: Propagation.PRIVATE,
    "None": Propagation.PRIVATE,
    "HostToContainer": Propagation.HOST_TO_CONTAINER,
    "Bidirectional": Propagation.BIDIRECTIONAL,
}


def container_mount(mount: VolumeMount, volumes: Mapping[str, PreparedVolume], variables: Mapping[str, str]) -> Mount:
    """One mount. Raises :class:`ContainerConfigError`: no such volume, or a subPath that leads elsewhere."""
    volume = volumes.get(mount.name)
    if volume is None:
        raise ContainerConfigError("the pod has no such volume", operation=f"mount {mount.name} on {mount.mount_path}")
    propagation = _PROPAGATION[mount.mount_propagation]
    if propagation is Propagation.BIDIRECTIONAL and (volume.tmpfs is not None or volume.layers):
        # Mounted in the pod's own mount namespace: there is nothing on the host that could hear of mounts below it.
        propagation = Propagation.HOST_TO_CONTAINER
    return Mount(
        # A relative mountPath is taken from the container's root, as the kubelet does.
        container_path=mount.mount_path if mount.mount_path.startswith("/") else f"/{mount.mount_path}",
        host_path=volume.path,
        readonly=mount.read_only or volume.read_only,
        recursive_readonly=mount.recursive_read_only in ("Enabled", "IfPossible"),
        propagation=propagation,
        sub_path=_sub_path(mount, variables),
        make_sub_path=volume.makes_sub_paths,
        description=volume.description,
    )


def _sub_path(mount: VolumeMount, variables: Mapping[str, str]) -> str:
    sub_path = mount.sub_path
    if mount.sub_path_expr:
        missing = sorted(name for name in names_in(mount.sub_path_expr) if not variables.get(name))
        if missing:
            raise ContainerConfigError(
                f"missing value for {', '.join(missing)}",
                operation=f"mount {mount.name} on {mount.mount_path}: subPathExpr {mount.sub_path_expr}",
            )
        sub_path = expand(mount.sub_path_expr, variables)
    if sub_path.startswith("/"):
        raise ContainerConfigError(f"error SubPath `{sub_path}` must not be an absolute path")
    if ".." in sub_path.split("/"):
        raise ContainerConfigError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    return sub_path
