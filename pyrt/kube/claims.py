"""Which claims a pod uses, by name and by template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyrt.kube.pod import Pod
from pyrt.kube.volumes import Volume
from pyrt.kube.volumes_remote import PersistentVolumeClaimTemplate


class ClaimUse(NamedTuple):
    """A volume of a pod that is a claim."""

    claim: str
    template: PersistentVolumeClaimTemplate | None = None
    """For a generic ephemeral volume: what its claim is made from."""


def claim_name(pod: Pod, volume: Volume) -> str:
    """The claim of a volume: named, or ``<pod>-<volume>`` of an ephemeral one; empty for other volumes."""
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else ""


def claims_of(pod: Pod) -> Iterator[ClaimUse]:
    """Every claim that a pod uses."""
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            yield ClaimUse(claim_name(pod, volume))
        elif volume.ephemeral is not None:
            yield ClaimUse(claim_name(pod, volume), volume.ephemeral.volume_claim_template)


def uses_claims(pod: Pod) -> bool:
    """Whether a pod uses any."""
    return next(claims_of(pod), None) is not None
