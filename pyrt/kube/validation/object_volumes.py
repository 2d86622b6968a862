"""Rules of volumes that are made from objects of the API: configMap, secret, downwardAPI, projected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyrt.kube.field import FieldError, forbidden, invalid, required
from pyrt.kube.validation.downward import VOLUME_FIELD_PATHS, validate_field_ref, validate_resource_ref
from pyrt.kube.volumes import (
    DownwardAPIVolumeFile,
    KeyToPath,
    ProjectedVolumeSource,
    Volume,
    VolumeProjection,
)

_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"


def validate_object_volume(volume: Volume, path: str) -> list[FieldError]:
    """The source of a volume, if it is one of these."""
    errors: list[FieldError] = []
    if volume.config_map is not None:
        where, config_map = f"{path}.configMap", volume.config_map
        errors += [] if config_map.name else [required(f"{where}.name")]
        errors += _mode(config_map.default_mode, f"{where}.defaultMode") + _items(config_map.items, where)
    if volume.secret is not None:
        where, secret = f"{path}.secret", volume.secret
        errors += [] if secret.secret_name else [required(f"{where}.secretName")]
        errors += _mode(secret.default_mode, f"{where}.defaultMode") + _items(secret.items, where)
    if volume.downward_api is not None:
        where = f"{path}.downwardAPI"
        errors += _mode(volume.downward_api.default_mode, f"{where}.defaultMode")
        for file in volume.downward_api.items:
            errors += _file(file, where)
    if volume.projected is not None:
        errors += _projected(volume.projected, f"{path}.projected")
    return errors


def _mode(mode: int | None, path: str) -> list[FieldError]:
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(path, mode, _MODE)]


def _items(items: list[KeyToPath], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, item in enumerate(items):
        where = f"{path}.items[{index}]"
        errors += [] if item.key else [required(f"{where}.key")]
        errors += [] if item.path else [required(f"{where}.path")]
        errors += _local(item.path, f"{where}.path") + _mode(item.mode, f"{where}.mode")
    return errors


def _local(target: str, path: str) -> list[FieldError]:
    """A path below the volume, with no name that the volume keeps for itself (``ValidateLocalNonReservedPath``)."""
    errors: list[FieldError] = []
    if target.startswith("/"):
        errors.append(invalid(path, target, "must be a relative path"))
    if ".." in target.split("/"):
        errors.append(invalid(path, target, "must not contain '..'"))
    if target.startswith("..") and not target.startswith("../"):
        errors.append(invalid(path, target, "must not start with '..'"))
    return errors


def _file(file: DownwardAPIVolumeFile, path: str) -> list[FieldError]:
    """The API server does not say which of the items it means."""
    errors = [] if file.path else [required(f"{path}.path")]
    errors += _local(file.path, f"{path}.path")
    if file.field_ref is not None:
        errors += validate_field_ref(file.field_ref, VOLUME_FIELD_PATHS, f"{path}.fieldRef")
        if file.resource_field_ref is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", detail))
    elif file.resource_field_ref is not None:
        errors += validate_resource_ref(file.resource_field_ref, f"{path}.resourceFieldRef", in_volume=True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + _mode(file.mode, f"{path}.mode")


def _projected(source: ProjectedVolumeSource, path: str) -> list[FieldError]:
    errors = _mode(source.default_mode, f"{path}.defaultMode")
    taken: set[str] = set()

    def claim(target: str, shown: str) -> None:
        if target and target in taken:
            errors.append(invalid(path, shown, "conflicting duplicate paths"))
        taken.add(target)

    for index, part in enumerate(source.sources):
        where = f"{path}.sources[{index}]"
        count = _objects(part, where, errors, claim)
        if part.downward_api is not None:
            count += 1
            for file in part.downward_api.items:
                errors += _file(file, f"{where}.downwardAPI")
                claim(file.path, file.path)
        # What the others must look like is not said: they are refused.
        count += sum(
            other is not None for other in (part.service_account_token, part.cluster_trust_bundle, part.pod_certificate)
        )
        if count > 1:
            errors.append(forbidden(where, "may not specify more than 1 volume type per source"))
    return errors


def _objects(part: VolumeProjection, path: str, errors: list[FieldError], claim: Callable[[str, str], None]) -> int:
    count = 0
    for kind, source in (("secret", part.secret), ("configMap", part.config_map)):
        if source is None:
            continue
        count += 1
        errors += [] if source.name else [required(f"{path}.{kind}.name")]
        errors += _items(source.items, f"{path}.{kind}")
        for item in source.items:
            claim(item.path, source.name)
    return count
