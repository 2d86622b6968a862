"""persistentVolumeClaim and ephemeral: the volume that a claim is bound to (kubelet, desired state populator)."""

from __future__ import annotations

from pathlib import Path

from pyrt.kube.claims import claim_name
from pyrt.kube.storage import READ_WRITE_ONCE_POD, PersistentVolume, PersistentVolumeClaim, volume_mode
from pyrt.kube.volumes import Volume
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.types import PreparedVolume, VolumeContext


class Claim:
    """Nothing is made here: binding, provisioning and reclaiming are the storage controller's."""

    on_loop = True

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def plan(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """See :class:`pyrt.volumes.types.VolumeType`; without the claim's volume, a name stands for it."""
        try:
            return self._find(volume, context)
        except VolumeError:
            path = Path(f"/<volume of claim {claim_name(context.pod, volume)}>")
            return PreparedVolume(volume.name, self.kind, path, read_only=_readonly(volume))

    def prepare(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """Find the bound volume; a claim that is not there, not bound or going makes the pod wait."""
        prepared = self._find(volume, context)
        namespace, name = context.pod.metadata.namespace, claim_name(context.pod, volume)
        claim = context.references.claim(namespace, name)
        if claim is not None and READ_WRITE_ONCE_POD in claim.spec.access_modes:
            holder = context.references.hold_alone(claim.metadata.uid, context.pod_uid)
            if holder is not None:
                raise VolumeError(
                    f"volume uses the ReadWriteOncePod access mode and is already in use by another pod ({holder})",
                    subject=f"volume {volume.name}",
                )
        return prepared

    def teardown(self, volume: Volume, context: VolumeContext) -> None:
        """Leave it alone: it outlives the pod."""

    def _find(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        namespace, name = context.pod.metadata.namespace, claim_name(context.pod, volume)
        try:
            claim = _bound_claim(volume, context, namespace, name)
            source = _bound_volume(claim, context)
        except _NotYet as reason:
            raise VolumeError(
                f"error processing PVC {namespace}/{name}: {reason}", subject=f"volume {volume.name}"
            ) from None
        host, local = source.spec.host_path, source.spec.local
        if host is not None:
            path, must_be, gives_group = Path(host.path), host.type or "", False
        else:
            assert local is not None
            path, must_be, gives_group = Path(local.path), "Directory", True
        return PreparedVolume(
            volume.name, self.kind, path, must_be=must_be, read_only=_readonly(volume), takes_group=gives_group
        )


class _NotYet(Exception):  # noqa: N818 - a signal, not an error
    """Why the claim cannot be used now, in the kubelet's words."""


def _readonly(volume: Volume) -> bool:
    return volume.persistent_volume_claim is not None and volume.persistent_volume_claim.read_only


def _bound_claim(volume: Volume, context: VolumeContext, namespace: str, name: str) -> PersistentVolumeClaim:
    claim = context.references.claim(namespace, name)
    if claim is None:
        raise _NotYet(f'failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found')
    pod = context.pod.metadata
    owners = [owner.uid for owner in claim.metadata.owner_references if owner.controller]
    if volume.ephemeral is not None and pod.uid not in owners:
        raise _NotYet(f"PVC {namespace}/{name} was not created for pod {namespace}/{pod.name} (pod is not owner)")
    if claim.metadata.deletion_timestamp is not None and not _runs(context):
        raise _NotYet("PVC is being deleted")
    if claim.status.phase != "Bound":
        raise _NotYet("PVC is not bound")
    if not claim.spec.volume_name:
        raise _NotYet("PVC has empty pvc.Spec.VolumeName")
    return claim


def _runs(context: VolumeContext) -> bool:
    """A pod that has begun keeps its claims, also over a restart of the daemon."""
    return bool(context.pod.status.pod_ips) or context.pod.status.phase == "Running"


def _bound_volume(claim: PersistentVolumeClaim, context: VolumeContext) -> PersistentVolume:
    name = claim.spec.volume_name
    source = context.references.volume(name)
    if source is None:
        raise _NotYet(f'failed to fetch PV {name} from API server: persistentvolumes "{name}" not found')
    ref = source.spec.claim_ref
    if ref is None:
        raise _NotYet(
            f"found PV object {name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
        )
    if ref.uid != claim.metadata.uid:
        raise _NotYet(
            f"found PV object {name} but its pv.Spec.ClaimRef.UID {ref.uid} does not point to claim.UID "
            f"{claim.metadata.uid}"
        )
    if source.spec.host_path is None and source.spec.local is None:
        raise _NotYet(f"PV {name} is of a type that is not supported by pyrt")
    if volume_mode(source.spec) != "Filesystem":
        raise _NotYet(f"PV {name} has volumeMode Block, which is not supported by pyrt")
    return source
