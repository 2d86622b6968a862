"""Rules of environment variables and of where they come from."""

from __future__ import annotations

from collections.abc import Mapping

from pyrt.kube import names
from pyrt.kube.container import (
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    FileKeySelector,
    SecretKeySelector,
)
from pyrt.kube.field import FieldError, each_invalid, invalid, not_found, required
from pyrt.kube.validation.downward import ENV_FIELD_PATHS, validate_field_ref, validate_resource_ref
from pyrt.kube.validation.volumes import no_backsteps
from pyrt.kube.volumes import Volume


def validate_env(variables: list[EnvVar], volumes: Mapping[str, Volume], path: str) -> list[FieldError]:
    """``env`` of one container."""
    errors: list[FieldError] = []
    for index, variable in enumerate(variables):
        where = f"{path}[{index}]"
        if not variable.name:
            errors.append(required(f"{where}.name"))
        else:
            errors += each_invalid(f"{where}.name", variable.name, names.env_name(variable.name))
        if variable.value_from is not None:
            errors += _value_from(variable, volumes, f"{where}.valueFrom")
    return errors


def validate_env_from(sources: list[EnvFromSource], path: str) -> list[FieldError]:
    """``envFrom`` of one container."""
    errors: list[FieldError] = []
    for index, source in enumerate(sources):
        where = f"{path}[{index}]"
        if source.prefix:
            errors += each_invalid(f"{where}.prefix", source.prefix, names.env_name(source.prefix))
        references = [
            (kind, reference.name)
            for kind, reference in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref))
            if reference is not None
        ]
        for kind, name in references:
            if not name:
                errors.append(required(f"{where}.{kind}.name"))
            else:
                errors += each_invalid(f"{where}.{kind}.name", name, names.dns_subdomain(name))
        # The API server names the list here, not its item.
        if not references:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(references) > 1:
            errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _value_from(variable: EnvVar, volumes: Mapping[str, Volume], path: str) -> list[FieldError]:
    source = variable.value_from
    assert source is not None
    errors: list[FieldError] = []
    count = 0
    if source.field_ref is not None:
        count += 1
        errors += validate_field_ref(source.field_ref, ENV_FIELD_PATHS, f"{path}.fieldRef")
    if source.resource_field_ref is not None:
        count += 1
        errors += validate_resource_ref(source.resource_field_ref, f"{path}.resourceFieldRef", in_volume=False)
    if source.config_map_key_ref is not None:
        count += 1
        errors += _key_ref(source.config_map_key_ref, f"{path}.configMapKeyRef")
    if source.secret_key_ref is not None:
        count += 1
        errors += _key_ref(source.secret_key_ref, f"{path}.secretKeyRef")
    if source.file_key_ref is not None:
        count += 1
        errors += _file_key_ref(source.file_key_ref, volumes, f"{path}.fileKeyRef")
    if count == 0:
        kinds = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        errors.append(invalid(path, "", f"must specify one of: {kinds}"))
    elif variable.value:
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _key_ref(selector: ConfigMapKeySelector | SecretKeySelector, path: str) -> list[FieldError]:
    errors = each_invalid(f"{path}.name", selector.name, names.dns_subdomain(selector.name))
    if not selector.key:
        return [*errors, required(f"{path}.key")]
    return errors + each_invalid(f"{path}.key", selector.key, names.config_key(selector.key))


def _file_key_ref(selector: FileKeySelector, volumes: Mapping[str, Volume], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if not selector.key:
        errors.append(required(f"{path}.key"))
    else:
        errors += each_invalid(f"{path}.key", selector.key, names.env_name(selector.key))
    name = selector.volume_name
    if not name:
        errors.append(required(f"{path}.volumeName"))
    else:
        errors += each_invalid(f"{path}.volumeName", name, names.dns_label(name))
    if not selector.path:
        errors.append(required(f"{path}.path"))
    else:
        errors += no_backsteps(selector.path, f"{path}.path")
    if name not in volumes:
        errors.append(not_found(f"{path}.volumeName", name))
    elif volumes[name].empty_dir is None:
        errors.append(invalid(f"{path}.volumeName", name, "referenced volume must be of type emptyDir"))
    return errors
