"""Rules of claims (``ValidatePersistentVolumeClaim`` and its update, ``core/validation``), and of what volumes share
with them.
"""

from __future__ import annotations

from copy import deepcopy

from pyrt.kube import names, quantity
from pyrt.kube.base import ResourceList
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, not_supported, required
from pyrt.kube.meta import LabelSelector, ObjectMeta
from pyrt.kube.storage import READ_WRITE_ONCE_POD, STORAGE, PersistentVolumeClaim, size
from pyrt.kube.validation.metadata import validate_labels, validate_metadata
from pyrt.kube.volumes_remote import PersistentVolumeClaimSpec

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", READ_WRITE_ONCE_POD)
VOLUME_MODES = ("Block", "Filesystem")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_IMMUTABLE = "field is immutable"
_CLAIM_IMMUTABLE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def validate_claim(claim: PersistentVolumeClaim) -> list[FieldError]:
    """The rules of a defaulted PersistentVolumeClaim."""
    return validate_metadata(claim.metadata) + validate_claim_spec(claim.spec, "spec")


def validate_claim_spec(spec: PersistentVolumeClaimSpec, path: str) -> list[FieldError]:
    """What holds for a claim and for the template of one."""
    errors = access_modes(spec.access_modes, f"{path}.accessModes", "at least 1 access mode is required")
    if spec.selector is not None:
        errors += _selector(spec.selector, f"{path}.selector")
    errors += _requested(spec.resources.requests, f"{path}.resources[{STORAGE}]")
    if spec.storage_class_name:
        errors += class_name(spec.storage_class_name, f"{path}.storageClassName")
    errors += volume_mode(spec.volume_mode, path)
    for name, source in (("dataSource", spec.data_source), ("dataSourceRef", spec.data_source_ref)):
        if source is None:
            continue
        where = f"{path}.{name}"
        if not source.name:
            errors.append(required(f"{where}.name"))
        if not source.kind:
            errors.append(required(f"{where}.kind"))
        if not source.api_group and source.kind != "PersistentVolumeClaim":
            detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            errors.append(invalid(where, source.kind, detail))
    return errors


def refused_claim_fields(spec: PersistentVolumeClaimSpec, path: str = "spec") -> list[FieldError]:
    """What Kubernetes takes and pyrt does not do."""
    errors = [
        forbidden(f"{path}.{name}", "volumes that begin with the content of another are not supported by pyrt")
        for name, value in (("dataSource", spec.data_source), ("dataSourceRef", spec.data_source_ref))
        if value is not None
    ]
    if spec.volume_mode == "Block":
        errors.append(forbidden(f"{path}.volumeMode", "block volumes are not supported by pyrt"))
    if spec.volume_attributes_class_name:
        errors.append(forbidden(f"{path}.volumeAttributesClassName", "volume attributes are not supported by pyrt"))
    return errors


def validate_claim_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> list[FieldError]:
    """The rules of replacing ``old`` by ``new``; both are defaulted, and have the old status."""
    errors = validate_claim(new) + new_finalizers(new.metadata, old.metadata)
    spec, before = deepcopy(new.spec), deepcopy(old.spec)
    if not before.volume_name:
        before.volume_name = spec.volume_name  # may be set once
    if before.storage_class_name is None:
        before.storage_class_name = spec.storage_class_name
    if old.status.phase == "Bound":
        if STORAGE in before.resources.requests:
            spec.resources.requests[STORAGE] = before.resources.requests[STORAGE]
        spec.volume_attributes_class_name = before.volume_attributes_class_name
    if spec != before:
        errors.append(forbidden("spec", _CLAIM_IMMUTABLE))
    asked, was = size(new.spec.resources.requests), size(old.spec.resources.requests)
    if quantity.is_valid(asked) and quantity.value(asked) < quantity.value(was):
        reached = size(old.status.capacity)
        if quantity.value(asked) <= quantity.value(reached):
            errors.append(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
    if new.spec.volume_mode != old.spec.volume_mode:
        errors.append(invalid("volumeMode", new.spec.volume_mode, _IMMUTABLE))
    return errors


def new_finalizers(new: ObjectMeta, old: ObjectMeta) -> list[FieldError]:
    """An object that is going gets no new reason to stay."""
    extra = sorted(set(new.finalizers) - set(old.finalizers))
    if old.deletion_timestamp is None or not extra:
        return []
    listed = ", ".join(f'"{name}"' for name in extra)
    detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
    return [forbidden("metadata.finalizers", f"{detail} []string{{{listed}}}")]


def access_modes(modes: list[str], path: str, missing: str) -> list[FieldError]:
    """At least one, all known, ReadWriteOncePod alone."""
    errors = [] if modes else [required(path, missing)]
    errors += [not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if READ_WRITE_ONCE_POD in modes and any(mode != READ_WRITE_ONCE_POD and mode in ACCESS_MODES for mode in modes):
        errors.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return errors


def volume_mode(mode: str | None, path: str) -> list[FieldError]:
    """Block or Filesystem."""
    if mode is None or mode in VOLUME_MODES:
        return []
    return [not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)]


def class_name(name: str, path: str) -> list[FieldError]:
    """The name of a storage class, or none."""
    return each_invalid(path, name, names.dns_subdomain(name)) if name else []


def _requested(requests: ResourceList, path: str) -> list[FieldError]:
    return positive_quantity(requests[STORAGE], path) if STORAGE in requests else [required(path)]


def positive_quantity(text: str, path: str) -> list[FieldError]:
    """More than nothing."""
    try:
        value = quantity.value(text)
    except quantity.QuantityError as error:
        return [invalid(path, text, error.message)]
    return [] if value > 0 else [invalid(path, text, "must be greater than zero")]


def _selector(selector: LabelSelector, path: str) -> list[FieldError]:
    errors = validate_labels(selector.match_labels, f"{path}.matchLabels")
    for index, requirement in enumerate(selector.match_expressions):
        where = f"{path}.matchExpressions[{index}]"
        errors += each_invalid(f"{where}.key", requirement.key, names.label_key(requirement.key))
        if requirement.operator not in _OPERATORS:
            errors.append(invalid(f"{where}.operator", requirement.operator, "not a valid selector operator"))
        elif requirement.operator in ("In", "NotIn") and not requirement.values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(required(f"{where}.values", detail))
        elif requirement.operator in ("Exists", "DoesNotExist") and requirement.values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{where}.values", detail))
    return errors
