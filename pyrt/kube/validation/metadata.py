"""Rules of ``metadata`` (``apimachinery/pkg/api/validation/objectmeta.go``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyrt.kube import names
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, required, too_long
from pyrt.kube.meta import ObjectMeta, OwnerReference

ANNOTATIONS_MAX = 256 * 1024
"""Bytes of all keys and values."""

_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def validate_labels(labels: Mapping[str, str], path: str) -> list[FieldError]:
    """Keys and values of labels, or of a node selector."""
    errors: list[FieldError] = []
    for key, value in labels.items():
        errors += each_invalid(path, key, names.label_key(key))
        errors += each_invalid(path, value, names.label_value(value))
    return errors


def validate_annotations(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    """Keys of annotations, and their size."""
    errors: list[FieldError] = []
    size = 0
    for key, value in annotations.items():
        errors += each_invalid(path, key, names.label_key(key.lower()))
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_MAX:
        errors.append(too_long(path, ANNOTATIONS_MAX))
    return errors


def _owners(owners: list[OwnerReference], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    controller = ""
    for owner in owners:
        if not owner.api_version.rpartition("/")[2]:
            errors.append(invalid(f"{path}.apiVersion", owner.api_version, "version must not be empty"))
        for name, value in (("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)):
            if not value:
                errors.append(invalid(f"{path}.{name}", value, "must not be empty"))
        if owner.api_version == "v1" and owner.kind == "Event":
            errors.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
        if owner.controller:
            this = f"{owner.kind}/{owner.name}"
            if controller:
                detail = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {this}'
                )
                errors.append(invalid(path, owners, detail))
            controller = controller or this
    return errors


def _finalizers(finalizers: list[str], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, finalizer in enumerate(finalizers):
        errors += each_invalid(path, finalizer, names.label_key(finalizer))
        if "/" not in finalizer and finalizer not in _FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(f"{path}[{index}]", finalizer, detail))
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        errors.append(invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"))
    return errors


def validate_metadata(
    meta: ObjectMeta,
    name_rule: Callable[[str], list[str]] = names.dns_subdomain,
    *,
    namespaced: bool = True,
    path: str = "metadata",
) -> list[FieldError]:
    """The rules every object shares; ``name_rule`` is the kind's own."""
    errors: list[FieldError] = []
    if meta.generate_name:
        errors += each_invalid(
            f"{path}.generateName", meta.generate_name, name_rule(names.generated(meta.generate_name))
        )
    if not meta.name:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    else:
        errors += each_invalid(f"{path}.name", meta.name, name_rule(meta.name))
    if not namespaced:
        if meta.namespace:
            errors.append(forbidden(f"{path}.namespace", "not allowed on this type"))
    elif not meta.namespace:
        errors.append(required(f"{path}.namespace"))
    else:
        errors += each_invalid(f"{path}.namespace", meta.namespace, names.dns_label(meta.namespace))
    if meta.generation < 0:
        errors.append(invalid(f"{path}.generation", meta.generation, "must be greater than or equal to 0"))
    errors += validate_labels(meta.labels, f"{path}.labels")
    errors += validate_annotations(meta.annotations, f"{path}.annotations")
    errors += _owners(meta.owner_references, f"{path}.ownerReferences")
    errors += _finalizers(meta.finalizers, f"{path}.finalizers")
    return errors
