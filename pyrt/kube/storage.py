"""Storage as objects: PersistentVolume, PersistentVolumeClaim, StorageClass."""

from __future__ import annotations

from typing import Any, Final

from msgspec import field

from pyrt.kube.base import KubeStruct, Quantity, ResourceList, Time, null
from pyrt.kube.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, ObjectReference
from pyrt.kube.scheduling import NodeSelector
from pyrt.kube.volumes import HostPathVolumeSource
from pyrt.kube.volumes_remote import PersistentVolumeClaimSpec

STORAGE: Final = "storage"
"""The resource that claims ask for."""
STORAGE_GROUP: Final = "storage.k8s.io"
READ_WRITE_ONCE_POD: Final = "ReadWriteOncePod"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
IS_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
PVC_PROTECTION: Final = "kubernetes.io/pvc-protection"
PV_PROTECTION: Final = "kubernetes.io/pv-protection"

Foreign = dict[str, Any]
"""A source that pyrt refuses by its name: what is in it does not matter."""


class LocalVolumeSource(KubeStruct):
    """A directory (or device) of one node."""

    path: str = field(default_factory=str)
    fs_type: str | None = None


class VolumeNodeAffinity(KubeStruct):
    """From which nodes a volume can be reached."""

    required: NodeSelector | None = None


class PersistentVolumeSpec(KubeStruct):
    """What a volume is, and whose."""

    capacity: ResourceList = field(default_factory=dict)
    host_path: HostPathVolumeSource | None = None
    local: LocalVolumeSource | None = None
    aws_elastic_block_store: Foreign | None = None
    azure_disk: Foreign | None = None
    azure_file: Foreign | None = None
    cephfs: Foreign | None = None
    cinder: Foreign | None = None
    csi: Foreign | None = None
    fc: Foreign | None = None
    flex_volume: Foreign | None = None
    flocker: Foreign | None = None
    gce_persistent_disk: Foreign | None = None
    glusterfs: Foreign | None = None
    iscsi: Foreign | None = None
    nfs: Foreign | None = None
    photon_persistent_disk: Foreign | None = None
    portworx_volume: Foreign | None = None
    quobyte: Foreign | None = None
    rbd: Foreign | None = None
    scale_io: Foreign | None = None
    storageos: Foreign | None = None
    vsphere_volume: Foreign | None = None
    access_modes: list[str] = field(default_factory=list)
    claim_ref: ObjectReference | None = None
    persistent_volume_reclaim_policy: str = ""
    storage_class_name: str = ""
    mount_options: list[str] = field(default_factory=list)
    volume_mode: str | None = None
    node_affinity: VolumeNodeAffinity | None = None
    volume_attributes_class_name: str | None = None


_FIELDS: Final = PersistentVolumeSpec.__struct_fields__
FOREIGN_SOURCES: Final = _FIELDS[_FIELDS.index("aws_elastic_block_store") : _FIELDS.index("access_modes")]
"""Attributes of the sources that are of other machines."""


class PersistentVolumeStatus(KubeStruct):
    """Available, Bound, Released or Failed."""

    phase: str = ""
    message: str = ""
    reason: str = ""
    last_phase_transition_time: Time | None = None


class PersistentVolume(KubeStruct):
    """A piece of storage."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "PersistentVolume")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PersistentVolumeSpec = field(default_factory=PersistentVolumeSpec)
    status: PersistentVolumeStatus = field(default_factory=PersistentVolumeStatus)


class PersistentVolumeClaimCondition(KubeStruct):
    """What goes on with a claim."""

    type: str = field(default_factory=str)
    status: str = field(default_factory=str)
    last_probe_time: Time | None = field(default_factory=null)
    last_transition_time: Time | None = field(default_factory=null)
    reason: str = ""
    message: str = ""


class ModifyVolumeStatus(KubeStruct):
    """A change of the volume attributes class under way."""

    target_volume_attributes_class_name: str = ""
    status: str = field(default_factory=str)


class PersistentVolumeClaimStatus(KubeStruct):
    """Pending, Bound or Lost."""

    phase: str = ""
    access_modes: list[str] = field(default_factory=list)
    capacity: ResourceList = field(default_factory=dict)
    conditions: list[PersistentVolumeClaimCondition] = field(default_factory=list)
    allocated_resources: ResourceList = field(default_factory=dict)
    allocated_resource_statuses: dict[str, str] = field(default_factory=dict)
    current_volume_attributes_class_name: str | None = None
    modify_volume_status: ModifyVolumeStatus | None = None


class PersistentVolumeClaim(KubeStruct):
    """Somebody's wish for storage, and what became of it."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "PersistentVolumeClaim")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PersistentVolumeClaimSpec = field(default_factory=PersistentVolumeClaimSpec)
    status: PersistentVolumeClaimStatus = field(default_factory=PersistentVolumeClaimStatus)


class TopologySelectorTerm(KubeStruct):
    """Where volumes of a class may be; kept, and without meaning on one node."""

    match_label_expressions: list[dict[str, Any]] = field(default_factory=list)


class StorageClass(KubeStruct):
    """How volumes of a name come about."""

    api_version: str = field(default_factory=lambda: f"{STORAGE_GROUP}/v1")
    kind: str = field(default_factory=lambda: "StorageClass")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    provisioner: str = field(default_factory=str)
    parameters: dict[str, str] = field(default_factory=dict)
    reclaim_policy: str | None = None
    mount_options: list[str] = field(default_factory=list)
    allow_volume_expansion: bool | None = None
    volume_binding_mode: str | None = None
    allowed_topologies: list[TopologySelectorTerm] = field(default_factory=list)


def is_default(storage_class: StorageClass) -> bool:
    """Whether claims that name no class get this one."""
    return storage_class.metadata.annotations.get(IS_DEFAULT_CLASS) == "true"


def volume_mode(spec: PersistentVolumeSpec | PersistentVolumeClaimSpec) -> str:
    """``Filesystem`` unless said otherwise."""
    return spec.volume_mode or "Filesystem"


def size(resources: dict[str, Quantity]) -> Quantity:
    """The ``storage`` of a capacity or a request; ``0`` if it says none."""
    return resources.get(STORAGE, "0")


def selects(selector: LabelSelector | None, labels: dict[str, str]) -> bool:
    """Whether a label selector selects an object with these labels. No selector selects everything."""
    if selector is None:
        return True
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: LabelSelectorRequirement, labels: dict[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
    return value is None
