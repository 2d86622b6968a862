"""The API server's rules for pods (``pkg/apis/core/validation``), in its words and with its field paths.

One module a subject. All take defaulted objects and return every error found; nothing raises.
"""

from __future__ import annotations

from pyrt.kube.field import FieldError, forbidden
from pyrt.kube.pod import Pod
from pyrt.kube.validation.metadata import validate_metadata
from pyrt.kube.validation.podspec import validate_pod_spec

__all__ = ["validate_pod", "validate_pod_create"]


def validate_pod(pod: Pod) -> list[FieldError]:
    """The rules of ``metadata`` and ``spec`` of a defaulted pod, whatever is being done with it."""
    return validate_metadata(pod.metadata) + validate_pod_spec(pod.spec)


def validate_pod_create(pod: Pod) -> list[FieldError]:
    """:func:`validate_pod`, and what may not be set when a pod is made."""
    errors = validate_pod(pod)
    if pod.spec.ephemeral_containers:
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if pod.spec.node_name and pod.spec.scheduling_gates:
        errors.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return errors
