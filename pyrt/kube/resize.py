"""What the ``resize`` subresource of a pod may change (``ValidatePodResize``, ``pkg/apis/core/validation``).

Only cpu and memory, of the containers, the sidecars and the pod itself; nothing may be taken away, and the pod stays in
its quality-of-service class.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pyrt.kube.aggregate import POD_LEVEL
from pyrt.kube.base import ResourceList
from pyrt.kube.container import Container
from pyrt.kube.field import FieldError, forbidden, invalid
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.qos import qos_class
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.update import MIRROR, validate_metadata_update
from pyrt.kube.validation import validate_pod

_ONLY = "only cpu and memory resources are mutable"


def keep_resize_only(new: Pod, old: Pod) -> None:
    """Drop, in place, what a resize does not touch: ``new`` gets the spec of ``old`` but for resources and policies.

    With other containers than those of ``old`` nothing is dropped: :func:`validate_pod_resize` will tell.
    """
    inits = _merged(new.spec.init_containers, old.spec.init_containers)
    containers = _merged(new.spec.containers, old.spec.containers)
    if inits is None or containers is None:
        return
    new.spec = msgspec.structs.replace(
        old.spec, containers=containers, init_containers=inits, resources=new.spec.resources
    )
    new.metadata.labels, new.metadata.annotations = old.metadata.labels, old.metadata.annotations
    new.metadata.finalizers, new.metadata.owner_references = old.metadata.finalizers, old.metadata.owner_references


def _merged(new: list[Container], old: list[Container]) -> list[Container] | None:
    if [c.name for c in new] != [c.name for c in old]:
        return None
    return [
        msgspec.structs.replace(before, resources=after.resources, resize_policy=after.resize_policy)
        for after, before in zip(new, old, strict=True)
    ]


def validate_pod_resize(new: Pod, old: Pod) -> list[FieldError]:
    """Every rule that the resize breaks; both pods are defaulted."""
    if MIRROR in old.metadata.annotations:
        return [forbidden("", "static pods cannot be resized")]
    if old.spec.os is not None and old.spec.os.name == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    errors = validate_metadata_update(new.metadata, old.metadata) + validate_pod(new)
    if errors:
        return errors
    if qos_class(new) != qos_class(old):
        errors.append(invalid("spec", qos_class(new), "Pod QOS Class may not change as a result of resizing"))
    order = list(_order(new.spec, old.spec))
    if order:
        return errors + order
    errors += _pod_level(new.spec, old.spec)
    for kind, after, before in (
        ("initContainers", new.spec.init_containers, old.spec.init_containers),
        ("containers", new.spec.containers, old.spec.containers),
    ):
        for index, (a, b) in enumerate(zip(after, before, strict=True)):
            errors += _container(a, b, kind == "initContainers", f"spec.{kind}[{index}]")
    if not errors and _masked(new.spec, old.spec) != old.spec:
        errors.append(forbidden("spec", _ONLY))
    return errors


def _order(new: PodSpec, old: PodSpec) -> Iterator[FieldError]:
    for kind, after, before in (
        ("containers", new.containers, old.containers),
        ("initContainers", new.init_containers, old.init_containers),
    ):
        if len(after) != len(before):
            yield forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize")
            continue
        for index, (a, b) in enumerate(zip(after, before, strict=True)):
            if a.name != b.name:
                yield forbidden(f"spec.{kind}[{index}].name", f"{kind} may not be renamed or reordered on resize")


def _pod_level(new: PodSpec, old: PodSpec) -> list[FieldError]:
    if old.resources is None:
        return []
    if new.resources is None:
        return [forbidden("spec.resources", "pod-level resources cannot be removed")]
    errors = []
    if old.resources.requests.keys() - new.resources.requests.keys():
        errors.append(forbidden("spec.resources.requests", "pod-level resource requests cannot be removed"))
    if old.resources.limits.keys() - new.resources.limits.keys():
        errors.append(forbidden("spec.resources.limits", "pod-level resource limits cannot be removed"))
    if _frozen(new.resources) != _frozen(old.resources):
        errors.append(forbidden("spec", "only cpu and memory resources are mutable at pod-level"))
    return errors


def _container(new: Container, old: Container, init: bool, path: str) -> list[FieldError]:
    if init and new.restart_policy != "Always":
        if new != old:
            return [forbidden("spec", "resources for non-sidecar init containers are immutable")]
        return []
    errors = []
    if old.resources.requests.keys() - new.resources.requests.keys():
        errors.append(forbidden(f"{path}.resources.requests", "resource requests cannot be removed"))
    if old.resources.limits.keys() - new.resources.limits.keys():
        errors.append(forbidden(f"{path}.resources.limits", "resource limits cannot be removed"))
    if msgspec.structs.replace(new, resources=old.resources) != old or _frozen(new.resources) != _frozen(old.resources):
        if init:
            errors.append(forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable"))
        else:
            errors.append(forbidden("spec", _ONLY))
    return errors


def _frozen(resources: ResourceRequirements) -> tuple[ResourceList, ResourceList, object]:
    """What of a container's resources no resize may touch."""
    return _others(resources.limits), _others(resources.requests), resources.claims


def _others(resources: ResourceList) -> ResourceList:
    return {name: text for name, text in resources.items() if name not in POD_LEVEL}


def _masked(new: PodSpec, old: PodSpec) -> PodSpec:
    """``new`` with every resource of ``old``: what is left differs in something else."""
    return msgspec.structs.replace(
        new,
        resources=old.resources,
        containers=[
            msgspec.structs.replace(a, resources=b.resources)
            for a, b in zip(new.containers, old.containers, strict=True)
        ],
        init_containers=[
            msgspec.structs.replace(a, resources=b.resources)
            for a, b in zip(new.init_containers, old.init_containers, strict=True)
        ],
    )
