"""The objects that the controller makes: volumes for claims, claims for ephemeral volumes. Pure."""

from __future__ import annotations

import copy

from pyrt.controllers.storage.model import (
    PROVISIONED_BY,
    PROVISIONER,
    RECLAIM_FINALIZER,
    PodUse,
    Snapshot,
)
from pyrt.kube.meta import ObjectMeta, ObjectReference, OwnerReference
from pyrt.kube.scheduling import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from pyrt.kube.storage import (
    PV_PROTECTION,
    PVC_PROTECTION,
    STORAGE,
    LocalVolumeSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    StorageClass,
    VolumeNodeAffinity,
    size,
    volume_mode,
)
from pyrt.kube.storage_defaults import set_claim_defaults
from pyrt.kube.volumes_remote import PersistentVolumeClaimTemplate


def unprovisionable(claim: PersistentVolumeClaim, chosen: StorageClass) -> str | None:
    """Why no directory can be made for the claim; ``None`` if it can."""
    if chosen.parameters:
        return f"the provisioner {PROVISIONER} takes no parameters"
    if chosen.mount_options:
        return "a directory is not mounted: it takes no mount options"
    if claim.spec.selector is not None:
        return "claim.Spec.Selector is not supported"
    if volume_mode(claim.spec) != "Filesystem":
        return "block volume provisioning is not supported"
    return None


def provisioned_volume(claim: PersistentVolumeClaim, chosen: StorageClass, all_: Snapshot) -> PersistentVolume:
    """The volume that is made for a claim. Its name has the claim's uid, so that a second attempt finds the first."""
    meta = claim.metadata
    name = f"pvc-{meta.uid}"
    here = NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=[all_.node])
    return PersistentVolume(
        metadata=ObjectMeta(
            name=name,
            annotations={PROVISIONED_BY: PROVISIONER},
            finalizers=[RECLAIM_FINALIZER, PV_PROTECTION],
            creation_timestamp=all_.now,
        ),
        spec=PersistentVolumeSpec(
            capacity={STORAGE: size(claim.spec.resources.requests)},
            local=LocalVolumeSource(path=str(all_.directory / name)),
            access_modes=list(claim.spec.access_modes),
            claim_ref=ObjectReference(
                api_version="v1",
                kind="PersistentVolumeClaim",
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                resource_version=meta.resource_version,
            ),
            persistent_volume_reclaim_policy=chosen.reclaim_policy or "Delete",
            storage_class_name=chosen.metadata.name,
            volume_mode="Filesystem",
            node_affinity=VolumeNodeAffinity(
                required=NodeSelector(node_selector_terms=[NodeSelectorTerm(match_expressions=[here])])
            ),
        ),
        status=PersistentVolumeStatus(phase="Available", last_phase_transition_time=all_.now),
    )


def claim_of_template(
    pod: PodUse, name: str, template: PersistentVolumeClaimTemplate, default: StorageClass | None
) -> PersistentVolumeClaim:
    """The claim of an ephemeral volume: the pod's own, gone with it (``pkg/controller/volume/ephemeral``)."""
    owner = OwnerReference(
        api_version="v1", kind="Pod", name=pod.name, uid=pod.uid, controller=True, block_owner_deletion=True
    )
    claim = PersistentVolumeClaim(
        metadata=ObjectMeta(
            name=name,
            namespace=pod.namespace,
            labels=dict(template.metadata.labels),
            annotations=dict(template.metadata.annotations),
            owner_references=[owner],
            finalizers=[PVC_PROTECTION],
        ),
        spec=copy.deepcopy(template.spec),
        status=PersistentVolumeClaimStatus(phase="Pending"),
    )
    if claim.spec.storage_class_name is None and default is not None:
        claim.spec.storage_class_name = default.metadata.name
    set_claim_defaults(claim)
    return claim
