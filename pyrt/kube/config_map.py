"""The ConfigMap: small data that everyone may read."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import KubeStruct
from pyrt.kube.meta import ObjectMeta


class ConfigMap(KubeStruct):
    """Text by key, and other bytes by key in base64; no key stands in both."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "ConfigMap")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    immutable: bool | None = None
    data: dict[str, str] = field(default_factory=dict)
    binary_data: dict[str, str] = field(default_factory=dict)
