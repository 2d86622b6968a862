"""Requests and limits of compute resources."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import KubeStruct, ResourceList


class ResourceClaim(KubeStruct):
    """A device claim of the pod that a container uses."""

    name: str = field(default_factory=str)
    request: str = ""


class ResourceRequirements(KubeStruct):
    """What a container asks for and may use at most."""

    limits: ResourceList = field(default_factory=dict)
    requests: ResourceList = field(default_factory=dict)
    claims: list[ResourceClaim] = field(default_factory=list)


class ContainerResizePolicy(KubeStruct):
    """Whether a resize of a resource restarts the container."""

    resource_name: str = field(default_factory=str)
    restart_policy: str = field(default_factory=str)


class VolumeResourceRequirements(KubeStruct):
    """What a volume claim asks for."""

    limits: ResourceList = field(default_factory=dict)
    requests: ResourceList = field(default_factory=dict)
