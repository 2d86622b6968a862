"""Rules of volumes and of their mounts."""

from __future__ import annotations

from collections.abc import Mapping

from pyrt.kube import names, quantity
from pyrt.kube.base import json_name
from pyrt.kube.container import Container, EphemeralContainer, VolumeMount
from pyrt.kube.defaults import volume_sources
from pyrt.kube.field import (
    FieldError,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from pyrt.kube.validation.claims import validate_claim_spec
from pyrt.kube.validation.metadata import validate_annotations, validate_labels
from pyrt.kube.validation.object_volumes import validate_object_volume
from pyrt.kube.volumes import EmptyDirVolumeSource, HostPathVolumeSource, ImageVolumeSource, Volume
from pyrt.kube.volumes_remote import EphemeralVolumeSource

HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def no_backsteps(value: str, path: str) -> list[FieldError]:
    """No ``..`` between slashes."""
    return [invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def descending_path(value: str, path: str) -> list[FieldError]:
    """A relative path that stays below where it starts."""
    errors = [invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return errors + no_backsteps(value, path)


def validate_volumes(volumes: list[Volume], path: str) -> tuple[dict[str, Volume], list[FieldError]]:
    """All volumes of a pod; also those that mounts may name."""
    found: dict[str, Volume] = {}
    errors: list[FieldError] = []
    for index, volume in enumerate(volumes):
        where = f"{path}[{index}]"
        own = _source(volume, where)
        if not volume.name:
            own.append(required(f"{where}.name"))
        else:
            own += each_invalid(f"{where}.name", volume.name, names.dns_label(volume.name))
        if volume.name in found:
            own.append(duplicate(f"{where}.name", volume.name))
        if not own:
            found[volume.name] = volume
        errors += own
    return found, errors


def _source(volume: Volume, path: str) -> list[FieldError]:
    sources = volume_sources(volume)
    if not sources:
        return [required(path, "must specify a volume type")]
    errors = [forbidden(f"{path}.{json_name(s)}", "may not specify more than 1 volume type") for s in sources[1:]]
    if sources[0] == "empty_dir" and volume.empty_dir is not None:
        errors += _empty_dir(volume.empty_dir, f"{path}.emptyDir")
    if sources[0] == "host_path" and volume.host_path is not None:
        errors += _host_path(volume.host_path, f"{path}.hostPath")
    if sources[0] in ("config_map", "secret", "downward_api", "projected"):
        errors += validate_object_volume(volume, path)
    claim = volume.persistent_volume_claim
    if sources[0] == "persistent_volume_claim" and claim is not None and not claim.claim_name:
        errors.append(required(f"{path}.persistentVolumeClaim.claimName"))
    if sources[0] == "ephemeral" and volume.ephemeral is not None:
        errors += _ephemeral(volume.ephemeral, f"{path}.ephemeral")
    if sources[0] == "image" and volume.image is not None:
        errors += _image(volume.image, f"{path}.image")
    return errors


def _ephemeral(source: EphemeralVolumeSource, path: str) -> list[FieldError]:
    where = f"{path}.volumeClaimTemplate"
    template = source.volume_claim_template
    if template is None:
        return [required(where)]
    errors = validate_labels(template.metadata.labels, f"{where}.metadata.labels")
    errors += validate_annotations(template.metadata.annotations, f"{where}.metadata.annotations")
    return errors + validate_claim_spec(template.spec, f"{where}.spec")


def _image(source: ImageVolumeSource, path: str) -> list[FieldError]:
    errors = [] if source.reference else [required(f"{path}.reference")]
    if source.pull_policy not in PULL_POLICIES:
        errors.append(not_supported(f"{path}.pullPolicy", source.pull_policy, PULL_POLICIES))
    return errors


def _empty_dir(source: EmptyDirVolumeSource, path: str) -> list[FieldError]:
    if source.size_limit is None:
        return []
    try:
        value = quantity.value(source.size_limit)
    except quantity.QuantityError as error:
        return [invalid(f"{path}.sizeLimit", source.size_limit, error.message)]
    if value < 0:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _host_path(source: HostPathVolumeSource, path: str) -> list[FieldError]:
    if not source.path:
        return [required(f"{path}.path")]
    errors = no_backsteps(source.path, f"{path}.path")
    if source.type is not None and source.type not in HOST_PATH_TYPES:
        errors.append(not_supported(f"{path}.type", source.type, HOST_PATH_TYPES))
    return errors


def validate_mounts(
    container: Container | EphemeralContainer, volumes: Mapping[str, Volume], path: str
) -> list[FieldError]:
    """The volume mounts of one container; ``path`` is that of ``volumeMounts``."""
    errors: list[FieldError] = []
    paths: set[str] = set()
    devices = {device.name: device.device_path for device in container.volume_devices}
    for index, mount in enumerate(container.volume_mounts):
        where = f"{path}[{index}]"
        if not mount.name:
            errors.append(required(f"{where}.name"))
        if mount.name not in volumes:
            errors.append(not_found(f"{where}.name", mount.name))
        if not mount.mount_path:
            errors.append(required(f"{where}.mountPath"))
        if mount.mount_path in paths:
            errors.append(invalid(f"{where}.mountPath", mount.mount_path, "must be unique"))
        paths.add(mount.mount_path)
        if mount.name in devices:
            errors.append(invalid(f"{where}.name", mount.name, "must not already exist in volumeDevices"))
        if mount.mount_path in devices.values():
            detail = "must not already exist as a path in volumeDevices"
            errors.append(invalid(f"{where}.mountPath", mount.mount_path, detail))
        errors += _mount(mount, container, where)
    return errors


def _mount(mount: VolumeMount, container: Container | EphemeralContainer, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if mount.sub_path:
        errors += descending_path(mount.sub_path, f"{path}.subPath")
    if mount.sub_path_expr:
        where = f"{path}.subPathExpr"
        if mount.sub_path:
            errors.append(invalid(where, mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive"))
        errors += descending_path(mount.sub_path_expr, where)
    propagation = mount.mount_propagation
    if propagation is not None:
        where = f"{path}.mountPropagation"
        if propagation not in _PROPAGATIONS:
            errors.append(not_supported(where, propagation, _PROPAGATIONS))
        privileged = container.security_context is not None and container.security_context.privileged
        if propagation == "Bidirectional" and not privileged:
            detail = "Bidirectional mount propagation is available only to privileged containers"
            errors.append(forbidden(where, detail))
    recursive = mount.recursive_read_only
    if recursive is not None:
        where = f"{path}.recursiveReadOnly"
        if recursive not in _RECURSIVE:
            errors.append(not_supported(where, recursive, _RECURSIVE))
        elif recursive != "Disabled":
            if not mount.read_only:
                errors.append(forbidden(where, "may only be specified when readOnly is true"))
            if propagation not in (None, "None"):
                detail = "may only be specified when mountPropagation is None or not specified"
                errors.append(forbidden(where, detail))
    return errors
