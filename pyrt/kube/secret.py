"""The Secret: small data that not everyone may read."""

from __future__ import annotations

from typing import Final

from msgspec import field

from pyrt.kube.base import KubeStruct
from pyrt.kube.encoded import decoded, encoded
from pyrt.kube.meta import ObjectMeta

OPAQUE: Final = "Opaque"
DOCKER_CONFIG_JSON: Final = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG: Final = "kubernetes.io/dockercfg"

DOCKER_KEYS: Final = {DOCKER_CONFIG_JSON: ".dockerconfigjson", DOCKER_CONFIG: ".dockercfg"}
"""Where a Secret with registry credentials has them: type to key of ``data``."""


class Secret(KubeStruct):
    """A secret. ``data`` is base64; ``string_data`` is only written: it becomes ``data`` when it is stored."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "Secret")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    immutable: bool | None = None
    data: dict[str, str] = field(default_factory=dict)
    string_data: dict[str, str] = field(default_factory=dict)
    type: str = ""


def complete(secret: Secret) -> None:
    """What the API server makes of it: ``stringData`` goes over ``data``, and the type is Opaque unless said."""
    for key, text in secret.string_data.items():
        secret.data[key] = encoded(text.encode())
    secret.string_data = {}
    secret.type = secret.type or OPAQUE


def docker_config(secret: Secret) -> bytes | None:
    """The registry credentials in it (a docker ``config.json`` or the older ``.dockercfg``), ``None`` without any."""
    key = DOCKER_KEYS.get(secret.type)
    text = secret.data.get(key, "") if key is not None else ""
    return decoded(text) if text else None
