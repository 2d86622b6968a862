"""What the ``ephemeralcontainers`` subresource of a pod may change (``ValidatePodEphemeralContainersUpdate``,
``pkg/apis/core/validation``): containers may be added, and nothing else.
"""

from __future__ import annotations

import msgspec

from pyrt.kube.diff import unified
from pyrt.kube.field import FieldError, forbidden
from pyrt.kube.pod import Pod
from pyrt.kube.update import MIRROR
from pyrt.kube.validation import validate_pod


def keep_ephemeral_only(new: Pod, old: Pod) -> None:
    """Drop, in place, every change to anything but the ephemeral containers."""
    containers = new.spec.ephemeral_containers
    new.spec = msgspec.structs.replace(old.spec, ephemeral_containers=containers)
    for name in ("labels", "annotations", "finalizers", "owner_references"):
        setattr(new.metadata, name, getattr(old.metadata, name))


def validate_ephemeral_update(new: Pod, old: Pod) -> list[FieldError]:
    """Every rule that the change breaks; both pods are defaulted and differ in their ephemeral containers only."""
    if MIRROR in old.metadata.annotations:
        return [forbidden("", "static pods do not support ephemeral containers")]
    errors = validate_pod(new)
    path = "spec.ephemeralContainers"
    by_name = {container.name: container for container in new.spec.ephemeral_containers}
    for before in old.spec.ephemeral_containers:
        after = by_name.get(before.name)
        name = f'existing ephemeral containers "{before.name}"'
        if after is None:
            errors.append(forbidden(path, f"{name} may not be removed\n"))
        elif after != before:
            errors.append(forbidden(path, f"{name} may not be changed\n{unified(before, after)}"))
    return errors
