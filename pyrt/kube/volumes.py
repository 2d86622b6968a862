"""Volumes: what a pod mounts. Network and cloud sources are in :mod:`pyrt.kube.volumes_remote`."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, Int64, KubeStruct, Quantity
from pyrt.kube.meta import LabelSelector
from pyrt.kube.volumes_remote import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    CSIVolumeSource,
    EphemeralVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)


class HostPathVolumeSource(KubeStruct):
    """A file or directory of the host."""

    path: str = field(default_factory=str)
    type: str | None = None


class EmptyDirVolumeSource(KubeStruct):
    """A directory that lives as long as the pod; medium is empty, Memory or HugePages*."""

    medium: str = ""
    size_limit: Quantity | None = None


class KeyToPath(KubeStruct):
    """Projects one key to a file."""

    key: str = field(default_factory=str)
    path: str = field(default_factory=str)
    mode: Int32 | None = None


class SecretVolumeSource(KubeStruct):
    """The keys of a Secret as files."""

    secret_name: str = ""
    items: list[KeyToPath] = field(default_factory=list)
    default_mode: Int32 | None = None
    optional: bool | None = None


class ConfigMapVolumeSource(KubeStruct):
    """The keys of a ConfigMap as files."""

    name: str = ""
    items: list[KeyToPath] = field(default_factory=list)
    default_mode: Int32 | None = None
    optional: bool | None = None


class ObjectFieldSelector(KubeStruct):
    """A field of the pod."""

    api_version: str = ""
    field_path: str = field(default_factory=str)


class ResourceFieldSelector(KubeStruct):
    """A resource of a container, divided by ``divisor``."""

    container_name: str = ""
    resource: str = field(default_factory=str)
    divisor: Quantity = field(default_factory=lambda: "0")


class DownwardAPIVolumeFile(KubeStruct):
    """One fact about the pod as a file."""

    path: str = field(default_factory=str)
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: Int32 | None = None


class DownwardAPIVolumeSource(KubeStruct):
    """Facts about the pod as files."""

    items: list[DownwardAPIVolumeFile] = field(default_factory=list)
    default_mode: Int32 | None = None


class SecretProjection(KubeStruct):
    """A Secret inside a projected volume."""

    name: str = ""
    items: list[KeyToPath] = field(default_factory=list)
    optional: bool | None = None


class DownwardAPIProjection(KubeStruct):
    """Facts about the pod inside a projected volume."""

    items: list[DownwardAPIVolumeFile] = field(default_factory=list)


class ConfigMapProjection(KubeStruct):
    """A ConfigMap inside a projected volume."""

    name: str = ""
    items: list[KeyToPath] = field(default_factory=list)
    optional: bool | None = None


class ServiceAccountTokenProjection(KubeStruct):
    """A token inside a projected volume; seconds."""

    audience: str = ""
    expiration_seconds: Int64 | None = None
    path: str = field(default_factory=str)


class ClusterTrustBundleProjection(KubeStruct):
    """Trust anchors inside a projected volume."""

    name: str | None = None
    signer_name: str | None = None
    label_selector: LabelSelector | None = None
    optional: bool | None = None
    path: str = field(default_factory=str)


class PodCertificateProjection(KubeStruct):
    """A certificate inside a projected volume."""

    signer_name: str = ""
    key_type: str = ""
    max_expiration_seconds: Int32 | None = None
    credential_bundle_path: str = ""
    key_path: str = ""
    certificate_chain_path: str = ""
    user_annotations: dict[str, str] = field(default_factory=dict)


class VolumeProjection(KubeStruct):
    """One source of a projected volume."""

    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = None
    config_map: ConfigMapProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None
    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    pod_certificate: PodCertificateProjection | None = None


class ProjectedVolumeSource(KubeStruct):
    """Several sources in one directory."""

    sources: list[VolumeProjection] = field(default_factory=list)
    default_mode: Int32 | None = None


class PersistentVolumeClaimVolumeSource(KubeStruct):
    """A claim in the same namespace."""

    claim_name: str = field(default_factory=str)
    read_only: bool = False


class ImageVolumeSource(KubeStruct):
    """The content of an image, read-only."""

    reference: str = ""
    pull_policy: str = ""


class Volume(KubeStruct):
    """A named volume with exactly one source."""

    name: str = field(default_factory=str)
    host_path: HostPathVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    git_repo: GitRepoVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    flex_volume: FlexVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = None
    fc: FCVolumeSource | None = None
    azure_file: AzureFileVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    scale_io: ScaleIOVolumeSource | None = None
    storageos: StorageOSVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    image: ImageVolumeSource | None = None
