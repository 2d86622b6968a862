"""secret: the values of a Secret as files."""

from __future__ import annotations

from pyrt.kube.volumes import Volume
from pyrt.volumes import payload
from pyrt.volumes.object_volume import ObjectVolume
from pyrt.volumes.types import VolumeContext


class SecretVolume(ObjectVolume):
    """See :mod:`pyrt.volumes.object_volume`."""

    kind = "secret"

    def payload(self, volume: Volume, context: VolumeContext) -> payload.Payload:
        """See :class:`ObjectVolume`."""
        source = volume.secret
        assert source is not None
        return payload.secret(
            source.secret_name, source.items, source.default_mode, context, optional=bool(source.optional)
        )
