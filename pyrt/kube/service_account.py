"""The ServiceAccount: who a pod is to the API. There is no trust to hand out here: it is only kept."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import KubeStruct
from pyrt.kube.meta import LocalObjectReference, ObjectMeta, ObjectReference


class ServiceAccount(KubeStruct):
    """A service account."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "ServiceAccount")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    secrets: list[ObjectReference] = field(default_factory=list)
    image_pull_secrets: list[LocalObjectReference] = field(default_factory=list)
    automount_service_account_token: bool | None = None
