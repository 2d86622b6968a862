"""Rules of Secrets (``ValidateSecret``, ``ValidateSecretUpdate``). No message repeats what is secret."""

from __future__ import annotations

from typing import Final

import msgspec

from pyrt.kube import names
from pyrt.kube.encoded import decoded
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, required, too_long
from pyrt.kube.secret import DOCKER_KEYS, Secret
from pyrt.kube.validation.metadata import validate_metadata

DATA_MAX: Final = 1 << 20
"""Bytes of all values, decoded."""

_REDACTED: Final = "<secret contents redacted>"
_SERVICE_ACCOUNT_TOKEN: Final = "kubernetes.io/service-account-token"
_SERVICE_ACCOUNT: Final = "kubernetes.io/service-account.name"
_TLS: Final = "kubernetes.io/tls"
_SSH_AUTH: Final = "kubernetes.io/ssh-auth"
_BASIC_AUTH: Final = "kubernetes.io/basic-auth"
_FROZEN: Final = "field is immutable when `immutable` is set"


def validate_secret(secret: Secret) -> list[FieldError]:
    """The rules of a secret of which :func:`pyrt.kube.secret.complete` has been called."""
    errors = validate_metadata(secret.metadata)
    size = 0
    for key, text in secret.data.items():
        errors += each_invalid(f"data[{key}]", key, names.config_key(key))
        size += len(decoded(text))
    if size > DATA_MAX:
        errors.append(too_long("data", DATA_MAX))
    return errors + _typed(secret)


def _typed(secret: Secret) -> list[FieldError]:
    """What the type asks of the data."""
    data = secret.data
    if secret.type in DOCKER_KEYS:
        return _docker(DOCKER_KEYS[secret.type], data)
    if secret.type == _SERVICE_ACCOUNT_TOKEN and not secret.metadata.annotations.get(_SERVICE_ACCOUNT):
        return [required(f"metadata.annotations[{_SERVICE_ACCOUNT}]")]
    if secret.type == _BASIC_AUTH and not {"username", "password"} & data.keys():
        return [required("data[username]"), required("data[password]")]
    if secret.type == _SSH_AUTH and not data.get("ssh-privatekey"):
        return [required("data[ssh-privatekey]")]
    if secret.type == _TLS:
        return [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    return []


def _docker(key: str, data: dict[str, str]) -> list[FieldError]:
    if key not in data:
        return [required(f"data[{key}]")]
    try:
        msgspec.json.decode(decoded(data[key]), type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        return [invalid(f"data[{key}]", _REDACTED, str(error))]
    return []


def validate_secret_update(secret: Secret, old: Secret) -> list[FieldError]:
    """The rules of a secret, and what may not change in it."""
    errors = validate_secret(secret)
    if secret.type != old.type:
        errors.append(invalid("type", secret.type, "field is immutable"))
    if old.immutable:
        if not secret.immutable:
            errors.append(forbidden("immutable", _FROZEN))
        if {key: decoded(text) for key, text in secret.data.items()} != {
            key: decoded(text) for key, text in old.data.items()
        }:
            errors.append(forbidden("data", _FROZEN))
    return errors
