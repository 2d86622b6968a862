"""The status of a pod, as the kubelet reports it."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, Int64, KubeStruct, Quantity, ResourceList, Time, null
from pyrt.kube.resources import ResourceRequirements


class ContainerStateWaiting(KubeStruct):
    """Not started yet, and why."""

    reason: str = ""
    message: str = ""


class ContainerStateRunning(KubeStruct):
    """Running since."""

    started_at: Time | None = None


class ContainerStateTerminated(KubeStruct):
    """Ended: how and when."""

    exit_code: Int32 = field(default_factory=int)
    signal: Int32 = 0
    reason: str = ""
    message: str = ""
    started_at: Time | None = field(default_factory=null)
    finished_at: Time | None = field(default_factory=null)
    container_id: str = ""


class ContainerState(KubeStruct):
    """One of waiting, running, terminated."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ImageVolumeStatus(KubeStruct):
    """The image behind a volume."""

    image_ref: str = ""


class VolumeStatus(KubeStruct):
    """State of a mounted volume."""

    image: ImageVolumeStatus | None = None


class VolumeMountStatus(KubeStruct):
    """A mount as it was made."""

    name: str = field(default_factory=str)
    mount_path: str = field(default_factory=str)
    read_only: bool = False
    recursive_read_only: str | None = None
    volume_status: VolumeStatus | None = None


class LinuxContainerUser(KubeStruct):
    """Ids of the first process."""

    uid: Int64 = field(default_factory=int)
    gid: Int64 = field(default_factory=int)
    supplemental_groups: list[Int64] = field(default_factory=list)


class ContainerUser(KubeStruct):
    """Ids of the first process."""

    linux: LinuxContainerUser | None = None


class ResourceHealth(KubeStruct):
    """Health of a device."""

    resource_id: str = field(default_factory=str)
    health: str = ""
    message: str | None = None


class ResourceStatus(KubeStruct):
    """Health of the devices of a claim."""

    name: str = field(default_factory=str)
    resources: list[ResourceHealth] = field(default_factory=list)


class ContainerStatus(KubeStruct):
    """The status of one container."""

    name: str = field(default_factory=str)
    state: ContainerState = field(default_factory=ContainerState)
    last_state: ContainerState = field(default_factory=ContainerState)
    ready: bool = field(default_factory=bool)
    restart_count: Int32 = field(default_factory=int)
    image: str = field(default_factory=str)
    image_id: str = field(default_factory=str)
    container_id: str = ""
    started: bool | None = None
    allocated_resources: ResourceList = field(default_factory=dict)
    resources: ResourceRequirements | None = None
    volume_mounts: list[VolumeMountStatus] = field(default_factory=list)
    user: ContainerUser | None = None
    allocated_resources_status: list[ResourceStatus] = field(default_factory=list)
    stop_signal: str | None = None


class PodCondition(KubeStruct):
    """One condition of a pod."""

    type: str = field(default_factory=str)
    observed_generation: Int64 = 0
    status: str = field(default_factory=str)
    last_probe_time: Time | None = field(default_factory=null)
    last_transition_time: Time | None = field(default_factory=null)
    reason: str = ""
    message: str = ""


class HostIP(KubeStruct):
    """An address of the node."""

    ip: str = field(default_factory=str)


class PodIP(KubeStruct):
    """An address of the pod."""

    ip: str = field(default_factory=str)


class PodResourceClaimStatus(KubeStruct):
    """A claim made for the pod."""

    name: str = field(default_factory=str)
    resource_claim_name: str | None = None


class ContainerExtendedResourceRequest(KubeStruct):
    """Which request serves an extended resource."""

    container_name: str = field(default_factory=str)
    resource_name: str = field(default_factory=str)
    request_name: str = field(default_factory=str)


class PodExtendedResourceClaimStatus(KubeStruct):
    """The claim made for extended resources."""

    request_mappings: list[ContainerExtendedResourceRequest] = field(default_factory=list)
    resource_claim_name: str = field(default_factory=str)


class NodeAllocatableResourceClaimStatus(KubeStruct):
    """Node resources taken by a claim."""

    resource_claim_name: str = field(default_factory=str)
    containers: list[str] = field(default_factory=list)
    resources: dict[str, Quantity] = field(default_factory=dict)


class PodStatus(KubeStruct):
    """The status of a pod."""

    observed_generation: Int64 = 0
    phase: str = ""
    conditions: list[PodCondition] = field(default_factory=list)
    message: str = ""
    reason: str = ""
    nominated_node_name: str = ""
    host_ip: str = ""
    host_ips: list[HostIP] = field(default_factory=list)
    pod_ip: str = ""
    pod_ips: list[PodIP] = field(default_factory=list)
    start_time: Time | None = None
    init_container_statuses: list[ContainerStatus] = field(default_factory=list)
    container_statuses: list[ContainerStatus] = field(default_factory=list)
    qos_class: str = ""
    ephemeral_container_statuses: list[ContainerStatus] = field(default_factory=list)
    resize: str = ""
    resource_claim_statuses: list[PodResourceClaimStatus] = field(default_factory=list)
    extended_resource_claim_status: PodExtendedResourceClaimStatus | None = None
    allocated_resources: ResourceList = field(default_factory=dict)
    resources: ResourceRequirements | None = None
    node_allocatable_resource_claim_statuses: list[NodeAllocatableResourceClaimStatus] = field(default_factory=list)
