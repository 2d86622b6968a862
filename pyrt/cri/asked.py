"""What the kubelet asked for, as the runtime keeps it for us: the answer to later questions is in its own words."""

from __future__ import annotations

from pyrt.cri import runtime_pb2 as cri
from pyrt.runtime.status import ContainerStatus, SandboxStatus


def sandbox_request(status: SandboxStatus) -> cri.RunPodSandboxRequest:
    """What a sandbox was made from; its resources are those of the last update."""
    return cri.RunPodSandboxRequest.FromString(status.config.request)


def container_config(status: ContainerStatus) -> cri.ContainerConfig:
    """What a container was made from."""
    return cri.ContainerConfig.FromString(status.config.request)


def kept(message: cri.RunPodSandboxRequest | cri.ContainerConfig) -> bytes:
    """For :attr:`pyrt.runtime.config.SandboxConfig.request` and ContainerConfig's: the same for the same message."""
    return message.SerializeToString(deterministic=True)
