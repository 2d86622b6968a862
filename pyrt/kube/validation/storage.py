"""Rules of volumes and storage classes (``ValidatePersistentVolume`` and its update, ``core/validation``;
``ValidateStorageClass``, ``storage/validation``).
"""

from __future__ import annotations

import posixpath

from pyrt.kube import names
from pyrt.kube.base import json_name
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, not_supported, required
from pyrt.kube.storage import FOREIGN_SOURCES, STORAGE, PersistentVolume, PersistentVolumeSpec, StorageClass
from pyrt.kube.validation.claims import access_modes, class_name, new_finalizers, positive_quantity, volume_mode
from pyrt.kube.validation.metadata import validate_metadata
from pyrt.kube.validation.volumes import HOST_PATH_TYPES, no_backsteps

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_IMMUTABLE = "field is immutable"


# --- volumes ----------------------------------------------------------------------------------------------------------


def validate_volume(volume: PersistentVolume) -> list[FieldError]:
    """The rules of a defaulted PersistentVolume."""
    return validate_metadata(volume.metadata, namespaced=False) + _volume_spec(volume.spec, "spec")


def _volume_spec(spec: PersistentVolumeSpec, path: str) -> list[FieldError]:
    errors = access_modes(spec.access_modes, f"{path}.accessModes", "")
    if not spec.capacity:
        errors.append(required(f"{path}.capacity"))
    elif set(spec.capacity) != {STORAGE}:
        errors.append(not_supported(f"{path}.capacity", spec.capacity, (STORAGE,)))
    for name, text in spec.capacity.items():
        errors += positive_quantity(text, f"{path}.capacity[{name}]")
    policy = spec.persistent_volume_reclaim_policy
    if policy not in RECLAIM_POLICIES:
        errors.append(not_supported(f"{path}.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES))
    errors += _affinity(spec, path)
    errors += _volume_source(spec, path)
    if spec.host_path is not None and policy == "Recycle" and posixpath.normpath(spec.host_path.path) == "/":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", detail))
    errors += class_name(spec.storage_class_name, f"{path}.storageClassName")
    return errors + volume_mode(spec.volume_mode, path)


def volume_sources(spec: PersistentVolumeSpec) -> list[str]:
    """The attributes of the sources that are set."""
    return [name for name in ("host_path", "local", *FOREIGN_SOURCES) if getattr(spec, name) is not None]


def _volume_source(spec: PersistentVolumeSpec, path: str) -> list[FieldError]:
    sources = volume_sources(spec)
    if not sources:
        return [required(path, "must specify a volume type")]
    errors = [forbidden(f"{path}.{json_name(name)}", "may not specify more than 1 volume type") for name in sources[1:]]
    if sources[0] == "host_path" and spec.host_path is not None:
        where = f"{path}.hostPath"
        if not spec.host_path.path:
            return [*errors, required(f"{where}.path")]
        errors += no_backsteps(spec.host_path.path, f"{where}.path")
        if spec.host_path.type is not None and spec.host_path.type not in HOST_PATH_TYPES:
            errors.append(not_supported(f"{where}.type", spec.host_path.type, HOST_PATH_TYPES))
    if sources[0] == "local" and spec.local is not None:
        where = f"{path}.local"
        if not spec.local.path:
            errors.append(required(f"{where}.path"))
        else:
            errors += no_backsteps(spec.local.path, f"{where}.path")
        if spec.node_affinity is None:
            errors.append(required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    return errors


def _affinity(spec: PersistentVolumeSpec, path: str) -> list[FieldError]:
    if spec.node_affinity is None:
        return []
    where = f"{path}.nodeAffinity.required"
    if spec.node_affinity.required is None:
        return [required(where, "must specify required node constraints")]
    if not spec.node_affinity.required.node_selector_terms:
        return [required(f"{where}.nodeSelectorTerms", "must have at least one node selector term")]
    return []


def refused_volume_fields(spec: PersistentVolumeSpec, path: str = "spec") -> list[FieldError]:
    """What Kubernetes takes and pyrt does not do: other machines' storage, block devices, recycling."""
    errors = [
        forbidden(f"{path}.{json_name(name)}", "only hostPath and local volumes are supported by pyrt")
        for name in volume_sources(spec)
        if name in FOREIGN_SOURCES
    ]
    if spec.volume_mode == "Block":
        errors.append(forbidden(f"{path}.volumeMode", "block volumes are not supported by pyrt"))
    if spec.persistent_volume_reclaim_policy == "Recycle":
        errors.append(
            forbidden(f"{path}.persistentVolumeReclaimPolicy", "Recycle is deprecated, and not supported by pyrt")
        )
    if spec.mount_options:
        errors.append(forbidden(f"{path}.mountOptions", "a directory is not mounted: it takes no options"))
    if spec.local is not None and spec.local.fs_type is not None:
        errors.append(forbidden(f"{path}.local.fsType", "only directories are supported by pyrt"))
    return errors


def validate_volume_update(new: PersistentVolume, old: PersistentVolume) -> list[FieldError]:
    """The rules of replacing ``old`` by ``new``; both are defaulted."""
    errors = validate_volume(new) + new_finalizers(new.metadata, old.metadata)
    if any(getattr(new.spec, name) != getattr(old.spec, name) for name in ("host_path", "local", *FOREIGN_SOURCES)):
        detail = "spec.persistentvolumesource is immutable after creation"
        errors.append(forbidden("spec.persistentvolumesource", detail))
    if new.spec.volume_mode != old.spec.volume_mode:
        errors.append(invalid("volumeMode", new.spec.volume_mode, _IMMUTABLE))
    if old.spec.node_affinity is not None and new.spec.node_affinity != old.spec.node_affinity:
        errors.append(invalid("nodeAffinity", new.spec.node_affinity, _IMMUTABLE))
    return errors


# --- classes ----------------------------------------------------------------------------------------------------------


def validate_class(storage_class: StorageClass) -> list[FieldError]:
    """The rules of a defaulted StorageClass."""
    errors = validate_metadata(storage_class.metadata, namespaced=False)
    if not storage_class.provisioner:
        errors.append(required("provisioner", storage_class.provisioner))
    else:
        errors += each_invalid(
            "provisioner", storage_class.provisioner, names.label_key(storage_class.provisioner.lower())
        )
    if len(storage_class.parameters) > 512:
        errors.append(invalid("parameters", len(storage_class.parameters), "must have at most 512 items"))
    if storage_class.reclaim_policy not in ("Delete", "Retain"):
        errors.append(not_supported("reclaimPolicy", storage_class.reclaim_policy, ("Delete", "Retain")))
    if storage_class.volume_binding_mode not in BINDING_MODES:
        errors.append(not_supported("volumeBindingMode", storage_class.volume_binding_mode, BINDING_MODES))
    return errors


def validate_class_update(new: StorageClass, old: StorageClass) -> list[FieldError]:
    """The rules of replacing ``old`` by ``new``; both are defaulted."""
    errors = validate_class(new) + new_finalizers(new.metadata, old.metadata)
    for name, after, before in (
        ("parameters", new.parameters, old.parameters),
        ("provisioner", new.provisioner, old.provisioner),
        ("reclaimPolicy", new.reclaim_policy, old.reclaim_policy),
    ):
        if after != before:
            errors.append(forbidden(name, f"updates to {name} are forbidden."))
    if new.volume_binding_mode != old.volume_binding_mode:
        errors.append(invalid("volumeBindingMode", new.volume_binding_mode, _IMMUTABLE))
    return errors
