"""The volumes of a pod, and what would be in them as far as it is known before."""

from __future__ import annotations

from collections.abc import Mapping

from pyrt.cli.explain.model import VolumePart
from pyrt.kube.pod import Pod
from pyrt.pods.facts import NodeFacts
from pyrt.pods.volume_set import volume_context
from pyrt.volumes import atomic_writer, registry
from pyrt.volumes.object_volume import ObjectVolume
from pyrt.volumes.references import References
from pyrt.volumes.types import PreparedVolume


def volume_parts(
    pod: Pod, facts: NodeFacts, references: References, prepared: Mapping[str, PreparedVolume]
) -> tuple[VolumePart, ...]:
    """One a volume. Raises :class:`pyrt.volumes.VolumeError` for paths that cannot be."""
    context = volume_context(pod, facts, references)
    parts = []
    for volume in pod.spec.volumes:
        kind = registry.type_of(volume)
        files: tuple[str, ...] = ()
        if isinstance(kind, ObjectVolume):
            payload = atomic_writer.checked(kind.payload(volume, context))
            files = tuple(f"{file.mode:04o} {path}" for path, file in sorted(payload.items()))
        known = prepared[volume.name]
        parts.append(VolumePart(volume.name, known.kind, str(known.path), known.read_only, files))
    return tuple(parts)
