"""downwardAPI: facts about the pod as files."""

from __future__ import annotations

from pyrt.kube.volumes import Volume
from pyrt.volumes import payload
from pyrt.volumes.object_volume import ObjectVolume
from pyrt.volumes.types import VolumeContext


class DownwardApiVolume(ObjectVolume):
    """See :mod:`pyrt.volumes.object_volume`."""

    kind = "downwardAPI"

    def payload(self, volume: Volume, context: VolumeContext) -> payload.Payload:
        """See :class:`ObjectVolume`."""
        source = volume.downward_api
        assert source is not None
        return payload.downward_api(source.items, source.default_mode, context)
