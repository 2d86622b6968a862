"""The Pod."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, Int64, KubeStruct, ResourceList, empty_list
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.meta import ListMeta, LocalObjectReference, ObjectMeta
from pyrt.kube.podstatus import PodStatus
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.scheduling import (
    Affinity,
    PodResourceClaim,
    PodSchedulingGate,
    PodSchedulingGroup,
    Toleration,
    TopologySpreadConstraint,
)
from pyrt.kube.security import PodSecurityContext
from pyrt.kube.volumes import Volume


class HostAlias(KubeStruct):
    """Extra names in /etc/hosts."""

    ip: str = field(default_factory=str)
    hostnames: list[str] = field(default_factory=list)


class PodDNSConfigOption(KubeStruct):
    """An option of resolv.conf."""

    name: str = ""
    value: str | None = None


class PodDNSConfig(KubeStruct):
    """Additions to resolv.conf."""

    nameservers: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    options: list[PodDNSConfigOption] = field(default_factory=list)


class PodReadinessGate(KubeStruct):
    """A condition that readiness waits for."""

    condition_type: str = field(default_factory=str)


class PodOS(KubeStruct):
    """The operating system a pod is made for."""

    name: str = field(default_factory=str)


class PodSpec(KubeStruct):
    """What a pod should be."""

    volumes: list[Volume] = field(default_factory=list)
    init_containers: list[Container] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    ephemeral_containers: list[EphemeralContainer] = field(default_factory=list)
    restart_policy: str = ""
    termination_grace_period_seconds: Int64 | None = None
    active_deadline_seconds: Int64 | None = None
    dns_policy: str = ""
    node_selector: dict[str, str] = field(default_factory=dict)
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: bool | None = None
    node_name: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    image_pull_secrets: list[LocalObjectReference] = field(default_factory=list)
    hostname: str = ""
    subdomain: str = ""
    affinity: Affinity | None = None
    scheduler_name: str = ""
    tolerations: list[Toleration] = field(default_factory=list)
    host_aliases: list[HostAlias] = field(default_factory=list)
    priority_class_name: str = ""
    priority: Int32 | None = None
    dns_config: PodDNSConfig | None = None
    readiness_gates: list[PodReadinessGate] = field(default_factory=list)
    runtime_class_name: str | None = None
    enable_service_links: bool | None = None
    preemption_policy: str | None = None
    overhead: ResourceList = field(default_factory=dict)
    topology_spread_constraints: list[TopologySpreadConstraint] = field(default_factory=list)
    set_hostname_as_fqdn: bool | None = None
    os: PodOS | None = None
    host_users: bool | None = None
    scheduling_gates: list[PodSchedulingGate] = field(default_factory=list)
    resource_claims: list[PodResourceClaim] = field(default_factory=list)
    resources: ResourceRequirements | None = None
    hostname_override: str | None = None
    scheduling_group: PodSchedulingGroup | None = None


class Pod(KubeStruct):
    """A pod."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "Pod")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)


class PodList(KubeStruct):
    """A list of pods."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "PodList")
    metadata: ListMeta = field(default_factory=ListMeta)
    items: list[Pod] = field(default_factory=empty_list)


class PodTemplateSpec(KubeStruct):
    """A pod to be: the template in a workload."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PodSpec = field(default_factory=PodSpec)
