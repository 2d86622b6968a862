"""What every object carries (apimachinery ``meta/v1``): names, labels, owners, list positions."""

from __future__ import annotations

from typing import Any

from msgspec import field

from pyrt.kube.base import Int64, KubeStruct, Time


class OwnerReference(KubeStruct):
    """The object that an object belongs to."""

    api_version: str = field(default_factory=str)
    kind: str = field(default_factory=str)
    name: str = field(default_factory=str)
    uid: str = field(default_factory=str)
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ManagedFieldsEntry(KubeStruct):
    """Who manages which fields: kept as it came, never interpreted."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: Time | None = None
    fields_type: str = ""
    fields_v1: dict[str, Any] | None = None
    subresource: str = ""


class ObjectMeta(KubeStruct):
    """``metadata`` of an object."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: Int64 = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: Int64 | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    owner_references: list[OwnerReference] = field(default_factory=list)
    finalizers: list[str] = field(default_factory=list)
    managed_fields: list[ManagedFieldsEntry] = field(default_factory=list)


class ShardInfo(KubeStruct):
    """The shard a list was cut to."""

    selector: str = field(default_factory=str)


class ListMeta(KubeStruct):
    """``metadata`` of a list."""

    self_link: str = ""
    resource_version: str = ""
    continue_: str = ""
    remaining_item_count: Int64 | None = None
    shard_info: ShardInfo | None = None


class LabelSelectorRequirement(KubeStruct):
    """``key operator values``; operator is In, NotIn, Exists or DoesNotExist."""

    key: str = field(default_factory=str)
    operator: str = field(default_factory=str)
    values: list[str] = field(default_factory=list)


class LabelSelector(KubeStruct):
    """Selects objects by label: every part must match."""

    match_labels: dict[str, str] = field(default_factory=dict)
    match_expressions: list[LabelSelectorRequirement] = field(default_factory=list)


class ObjectReference(KubeStruct):
    """Points at an object, or with ``field_path`` at a part of one."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class LocalObjectReference(KubeStruct):
    """Names an object in the same namespace."""

    name: str = ""


class TypedLocalObjectReference(KubeStruct):
    """Names an object of some kind in the same namespace."""

    api_group: str | None = None
    kind: str = field(default_factory=str)
    name: str = field(default_factory=str)


class TypedObjectReference(KubeStruct):
    """Names an object of some kind, perhaps in another namespace."""

    api_group: str | None = None
    kind: str = field(default_factory=str)
    name: str = field(default_factory=str)
    namespace: str | None = None
