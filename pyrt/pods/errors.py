"""What the pod layer cannot do; ``reason`` is the kubelet's word for a container's waiting state."""

from __future__ import annotations

from pyrt.errors import PyrtError


class PodError(PyrtError):
    """Something about a pod could not be done."""

    reason = "Error"


class ContainerConfigError(PodError):
    """A container's configuration cannot be made of what the pod says."""

    reason = "CreateContainerConfigError"


class SandboxConfigError(PodError):
    """The pod's sandbox cannot be described: a hostname that is too long."""

    reason = "CreatePodSandboxError"


class ResizeError(PodError):
    """Other resources cannot be given to a running pod now."""
