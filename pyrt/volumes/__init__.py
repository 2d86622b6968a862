"""Pod volumes: one file a type; :mod:`pyrt.volumes.registry` is the entry."""

from pyrt.volumes.errors import UnsupportedVolumeError, VolumeError
from pyrt.volumes.registry import TYPES, plan, prepare, teardown, type_of
from pyrt.volumes.types import PreparedVolume, Tmpfs, VolumeContext, VolumeType

__all__ = [
    "TYPES",
    "PreparedVolume",
    "Tmpfs",
    "UnsupportedVolumeError",
    "VolumeContext",
    "VolumeError",
    "VolumeType",
    "plan",
    "prepare",
    "teardown",
    "type_of",
]
