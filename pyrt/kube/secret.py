"""The Secret: small data that not everyone may read."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from msgspec import field

from pyrt.kube.base import KubeStruct
from pyrt.kube.meta import ObjectMeta

OPAQUE: Final = "Opaque"
DOCKER_CONFIG_JSON: Final = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG: Final = "kubernetes.io/dockercfg"

DOCKER_KEYS: Final = {DOCKER_CONFIG_JSON: ".dockerconfigjson", DOCKER_CONFIG: ".dockercfg"}
"""Where a Secret with registry credentials has them: type to key of ``data``."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class Secret(KubeStruct):
    """A secret. ``data`` is base64; ``string_data`` is only written: it becomes ``data`` when it is stored."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "Secret")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    immutable: bool | None = None
    data: dict[str, str] = field(default_factory=dict)
    string_data: dict[str, str] = field(default_factory=dict)
    type: str = ""


def decoded(text: str) -> bytes:
    """One value of ``data``. Raises ValueError with the words of Go's decoder, ``illegal base64 data at input byte 3``.

    Line ends count for nothing, as there.
    """
    plain = text.replace("\n", "").replace("\r", "")
    try:
        return base64.b64decode(plain, validate=True)
    except binascii.Error as error:
        match = _BASE64.match(plain)
        assert match is not None
        raise ValueError(f"illegal base64 data at input byte {min(match.end(), len(plain))}") from error


def complete(secret: Secret) -> None:
    """What the API server makes of it: ``stringData`` goes over ``data``, and the type is Opaque unless said."""
    for key, text in secret.string_data.items():
        secret.data[key] = base64.b64encode(text.encode()).decode()
    secret.string_data = {}
    secret.type = secret.type or OPAQUE


def docker_config(secret: Secret) -> bytes | None:
    """The registry credentials in it (a docker ``config.json`` or the older ``.dockercfg``), ``None`` without any."""
    key = DOCKER_KEYS.get(secret.type)
    text = secret.data.get(key, "") if key is not None else ""
    return decoded(text) if text else None
