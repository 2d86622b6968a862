"""configMap: the values of a ConfigMap as files."""

from __future__ import annotations

from pyrt.kube.volumes import Volume
from pyrt.volumes import payload
from pyrt.volumes.object_volume import ObjectVolume
from pyrt.volumes.types import VolumeContext


class ConfigMapVolume(ObjectVolume):
    """See :mod:`pyrt.volumes.object_volume`."""

    kind = "configMap"

    def payload(self, volume: Volume, context: VolumeContext) -> payload.Payload:
        """See :class:`ObjectVolume`."""
        source = volume.config_map
        assert source is not None
        return payload.config_map(
            source.name, source.items, source.default_mode, context, optional=bool(source.optional)
        )
