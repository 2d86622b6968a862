"""Volume sources of networks and clouds: read completely, so that each is refused by its name and not as unknown."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, KubeStruct
from pyrt.kube.meta import (
    LabelSelector,
    LocalObjectReference,
    ObjectMeta,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from pyrt.kube.resources import VolumeResourceRequirements


class GCEPersistentDiskVolumeSource(KubeStruct):
    """A Google disk."""

    pd_name: str = field(default_factory=str)
    fs_type: str = ""
    partition: Int32 = 0
    read_only: bool = False


class AWSElasticBlockStoreVolumeSource(KubeStruct):
    """An AWS disk."""

    volume_id: str = field(default_factory=str)
    fs_type: str = ""
    partition: Int32 = 0
    read_only: bool = False


class GitRepoVolumeSource(KubeStruct):
    """A git checkout; Kubernetes itself has disabled it."""

    repository: str = field(default_factory=str)
    revision: str = ""
    directory: str = ""


class NFSVolumeSource(KubeStruct):
    """An NFS export."""

    server: str = field(default_factory=str)
    path: str = field(default_factory=str)
    read_only: bool = False


class ISCSIVolumeSource(KubeStruct):
    """An iSCSI disk."""

    target_portal: str = field(default_factory=str)
    iqn: str = field(default_factory=str)
    lun: Int32 = field(default_factory=int)
    iscsi_interface: str = ""
    fs_type: str = ""
    read_only: bool = False
    portals: list[str] = field(default_factory=list)
    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    secret_ref: LocalObjectReference | None = None
    initiator_name: str | None = None


class GlusterfsVolumeSource(KubeStruct):
    """A GlusterFS volume."""

    endpoints: str = field(default_factory=str)
    path: str = field(default_factory=str)
    read_only: bool = False


class RBDVolumeSource(KubeStruct):
    """A Ceph block device."""

    monitors: list[str] = field(default_factory=list)
    image: str = field(default_factory=str)
    fs_type: str = ""
    pool: str = ""
    user: str = ""
    keyring: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool = False


class FlexVolumeSource(KubeStruct):
    """A FlexVolume driver."""

    driver: str = field(default_factory=str)
    fs_type: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool = False
    options: dict[str, str] = field(default_factory=dict)


class CinderVolumeSource(KubeStruct):
    """An OpenStack disk."""

    volume_id: str = field(default_factory=str)
    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class CephFSVolumeSource(KubeStruct):
    """A Ceph file system."""

    monitors: list[str] = field(default_factory=list)
    path: str = ""
    user: str = ""
    secret_file: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool = False


class FlockerVolumeSource(KubeStruct):
    """A Flocker dataset."""

    dataset_name: str = ""
    dataset_uuid: str = ""


class FCVolumeSource(KubeStruct):
    """A Fibre Channel disk."""

    target_wwns: list[str] = field(default_factory=list)
    lun: Int32 | None = None
    fs_type: str = ""
    read_only: bool = False
    wwids: list[str] = field(default_factory=list)


class AzureFileVolumeSource(KubeStruct):
    """An Azure share."""

    secret_name: str = field(default_factory=str)
    share_name: str = field(default_factory=str)
    read_only: bool = False


class VsphereVirtualDiskVolumeSource(KubeStruct):
    """A vSphere disk."""

    volume_path: str = field(default_factory=str)
    fs_type: str = ""
    storage_policy_name: str = ""
    storage_policy_id: str = ""


class QuobyteVolumeSource(KubeStruct):
    """A Quobyte volume."""

    registry: str = field(default_factory=str)
    volume: str = field(default_factory=str)
    read_only: bool = False
    user: str = ""
    group: str = ""
    tenant: str = ""


class AzureDiskVolumeSource(KubeStruct):
    """An Azure disk."""

    disk_name: str = field(default_factory=str)
    disk_uri: str = field(default_factory=str)
    caching_mode: str | None = None
    fs_type: str | None = None
    read_only: bool | None = None
    kind: str | None = None


class PhotonPersistentDiskVolumeSource(KubeStruct):
    """A Photon disk."""

    pd_id: str = field(default_factory=str)
    fs_type: str = ""


class PortworxVolumeSource(KubeStruct):
    """A Portworx volume."""

    volume_id: str = field(default_factory=str)
    fs_type: str = ""
    read_only: bool = False


class ScaleIOVolumeSource(KubeStruct):
    """A ScaleIO volume."""

    gateway: str = field(default_factory=str)
    system: str = field(default_factory=str)
    secret_ref: LocalObjectReference | None = None
    ssl_enabled: bool = False
    protection_domain: str = ""
    storage_pool: str = ""
    storage_mode: str = ""
    volume_name: str = ""
    fs_type: str = ""
    read_only: bool = False


class StorageOSVolumeSource(KubeStruct):
    """A StorageOS volume."""

    volume_name: str = ""
    volume_namespace: str = ""
    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class CSIVolumeSource(KubeStruct):
    """An inline CSI volume."""

    driver: str = field(default_factory=str)
    read_only: bool | None = None
    fs_type: str | None = None
    volume_attributes: dict[str, str] = field(default_factory=dict)
    node_publish_secret_ref: LocalObjectReference | None = None


class PersistentVolumeClaimSpec(KubeStruct):
    """What a claim asks for."""

    access_modes: list[str] = field(default_factory=list)
    selector: LabelSelector | None = None
    resources: VolumeResourceRequirements = field(default_factory=VolumeResourceRequirements)
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_mode: str | None = None
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    volume_attributes_class_name: str | None = None


class PersistentVolumeClaimTemplate(KubeStruct):
    """A claim made with the pod."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PersistentVolumeClaimSpec = field(default_factory=PersistentVolumeClaimSpec)


class EphemeralVolumeSource(KubeStruct):
    """A generic ephemeral volume."""

    volume_claim_template: PersistentVolumeClaimTemplate | None = None
