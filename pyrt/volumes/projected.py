"""projected: ConfigMaps, Secrets and facts about the pod in one directory. Of two files with one path the later source
wins.
"""

from __future__ import annotations

from pyrt.kube.volumes import Volume, VolumeProjection
from pyrt.volumes import payload
from pyrt.volumes.errors import UnsupportedVolumeError, VolumeError
from pyrt.volumes.object_volume import ObjectVolume
from pyrt.volumes.types import VolumeContext


class ProjectedVolume(ObjectVolume):
    """See :mod:`pyrt.volumes.object_volume`. Every source that cannot be had is named, not only the first."""

    kind = "projected"

    def payload(self, volume: Volume, context: VolumeContext) -> payload.Payload:
        """See :class:`ObjectVolume`."""
        source = volume.projected
        assert source is not None
        files: payload.Payload = {}
        missing: list[str] = []
        for part in source.sources:
            try:
                files |= _files(part, source.default_mode, context)
            except VolumeError as error:
                missing.append(str(error))
        if missing:
            # As Go writes several errors (apimachinery, util/errors, Aggregate).
            raise VolumeError(missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]")
        return files


def _files(part: VolumeProjection, mode: int | None, context: VolumeContext) -> payload.Payload:
    if part.config_map is not None:
        one = part.config_map
        return payload.config_map(one.name, one.items, mode, context, optional=bool(one.optional))
    if part.secret is not None:
        other = part.secret
        return payload.secret(other.name, other.items, mode, context, optional=bool(other.optional))
    if part.downward_api is not None:
        return payload.downward_api(part.downward_api.items, mode, context)
    raise UnsupportedVolumeError("serviceAccountToken, clusterTrustBundle and podCertificate are not supported")
