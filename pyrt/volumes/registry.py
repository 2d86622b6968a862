"""The table of volume types. A new type is a file beside this one and a line here."""

from __future__ import annotations

from pyrt.kube.volumes import Volume
from pyrt.volumes.claim import Claim
from pyrt.volumes.config_map import ConfigMapVolume
from pyrt.volumes.downward_api import DownwardApiVolume
from pyrt.volumes.empty_dir import EmptyDir
from pyrt.volumes.errors import UnsupportedVolumeError
from pyrt.volumes.host_path import HostPath
from pyrt.volumes.image import ImageVolume
from pyrt.volumes.projected import ProjectedVolume
from pyrt.volumes.secret import SecretVolume
from pyrt.volumes.types import PreparedVolume, VolumeContext, VolumeType

# Attribute of pyrt.kube.volumes.Volume -> its type.
TYPES: dict[str, VolumeType] = {
    "empty_dir": EmptyDir(),
    "host_path": HostPath(),
    "persistent_volume_claim": Claim("persistentVolumeClaim"),
    "ephemeral": Claim("ephemeral"),
    "image": ImageVolume(),
    "config_map": ConfigMapVolume(),
    "secret": SecretVolume(),
    "downward_api": DownwardApiVolume(),
    "projected": ProjectedVolume(),
}


def type_of(volume: Volume) -> VolumeType:
    """The type of a volume. Raises :class:`UnsupportedVolumeError` for a source that is not in the table.

    A volume without any source is an emptyDir, as in the API's defaulting.
    """
    for attribute in volume.__struct_fields__:
        if attribute == "name" or getattr(volume, attribute) is None:
            continue
        kind = TYPES.get(attribute)
        if kind is None:
            raise UnsupportedVolumeError(f"{attribute} volumes are not supported yet", subject=f"volume {volume.name}")
        return kind
    return TYPES["empty_dir"]


def plan(volume: Volume, context: VolumeContext) -> PreparedVolume:
    """What :func:`prepare` will answer, without touching anything."""
    return type_of(volume).plan(volume, context)


def prepare(volume: Volume, context: VolumeContext) -> PreparedVolume:
    """Make one volume ready."""
    return type_of(volume).prepare(volume, context)


def teardown(volume: Volume, context: VolumeContext) -> None:
    """Take one volume down."""
    type_of(volume).teardown(volume, context)
