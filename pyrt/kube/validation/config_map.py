"""Rules of ConfigMaps (``ValidateConfigMap``, ``ValidateConfigMapUpdate``)."""

from __future__ import annotations

from typing import Final

from pyrt.kube import names
from pyrt.kube.config_map import ConfigMap
from pyrt.kube.encoded import decoded
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, too_long
from pyrt.kube.validation.metadata import validate_metadata

DATA_MAX: Final = 1 << 20
"""Bytes of all values, those of ``binaryData`` decoded."""

_FROZEN: Final = "field is immutable when `immutable` is set"


def validate_config_map(value: ConfigMap) -> list[FieldError]:
    """The rules of a ConfigMap whose ``binaryData`` is base64."""
    errors = validate_metadata(value.metadata)
    size = 0
    for key, text in value.data.items():
        errors += each_invalid(f"data[{key}]", key, names.config_key(key))
        if key in value.binary_data:
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += len(text.encode())
    for key, text in value.binary_data.items():
        errors += each_invalid(f"binaryData[{key}]", key, names.config_key(key))
        size += len(decoded(text))
    if size > DATA_MAX:
        errors.append(too_long("[]", DATA_MAX))  # the whole object, as the API server writes it
    return errors


def validate_config_map_update(value: ConfigMap, old: ConfigMap) -> list[FieldError]:
    """The rules of a ConfigMap, and what may not change in an immutable one."""
    errors = validate_config_map(value)
    if old.immutable:
        if not value.immutable:
            errors.append(forbidden("immutable", _FROZEN))
        if value.data != old.data:
            errors.append(forbidden("data", _FROZEN))
        if _plain(value) != _plain(old):
            errors.append(forbidden("binaryData", _FROZEN))
    return errors


def _plain(value: ConfigMap) -> dict[str, bytes]:
    return {key: decoded(text) for key, text in value.binary_data.items()}
