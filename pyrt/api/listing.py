"""Lists: selection, pages, and the two forms in which a list is answered."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pyrt.api.errors import bad_request, expired
from pyrt.api.query import integer
from pyrt.api.resources import Resource
from pyrt.api.selectors import FieldSelector, LabelSelector, parse_fields, parse_labels
from pyrt.api.table import DEFAULT_COLUMNS, render
from pyrt.store import Store, StoredObject


class _Labels(msgspec.Struct):
    labels: dict[str, str] = {}


class _Labelled(msgspec.Struct):
    metadata: _Labels


_labelled = msgspec.json.Decoder(_Labelled)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects a list or watch is about."""

    resource: Resource
    labels: LabelSelector
    fields: FieldSelector

    @classmethod
    def of(cls, resource: Resource, query: Mapping[str, str], name: str = "") -> Selection:
        """What the query selects. Raises ApiError 400."""
        supported = frozenset(("metadata.name", "metadata.namespace", *resource.fields))
        fields = query.get("fieldSelector", "")
        if name:
            fields = ",".join(part for part in (fields, f"metadata.name={name}") if part)
        return cls(
            resource,
            parse_labels(query.get("labelSelector", "")),
            parse_fields(fields, supported, resource.plural),
        )

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.labels.requirements and not self.fields.terms

    def matches(self, item: StoredObject) -> bool:
        """Whether one object is selected."""
        if self.labels.requirements and not self.labels.matches(_labelled.decode(item.data).metadata.labels):
            return False
        if not self.fields.terms:
            return True
        decoded: dict[str, Any] = {}

        def field_of(name: str) -> str:
            if name == "metadata.name":
                return item.name
            if name == "metadata.namespace":
                return item.namespace
            if not decoded:
                decoded.update(msgspec.json.decode(item.data))
            return _at(decoded, self.resource.fields[name])

        return self.fields.matches(field_of)


def _at(value: Any, path: Sequence[str]) -> str:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def fetch(store: Store, resource: Resource, namespace: str) -> tuple[list[StoredObject], int]:
    """Every object of a kind (in one namespace, if it is not empty) and the version of that list."""
    if resource.derived is None:
        return store.objects.list(resource.kind, namespace or None)
    version = store.resource_version
    return [item for item in _derived(resource, version) if not namespace or item.namespace == namespace], version


def find(store: Store, resource: Resource, namespace: str, name: str) -> StoredObject | None:
    """One object."""
    if resource.derived is None:
        return store.objects.find(resource.kind, namespace, name)
    return next((item for item in _derived(resource, 0) if item.namespace == namespace and item.name == name), None)


class _Identity(msgspec.Struct):
    name: str
    namespace: str = ""
    uid: str = ""


class _Identified(msgspec.Struct):
    metadata: _Identity


def _derived(resource: Resource, version: int) -> list[StoredObject]:
    assert resource.derived is not None
    items = []
    for data in resource.derived():
        metadata = msgspec.json.decode(data, type=_Identified).metadata
        items.append(StoredObject(resource.kind, metadata.namespace, metadata.name, metadata.uid, version, data))
    return sorted(items, key=lambda item: (item.namespace, item.name))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: list[StoredObject]
    version: int
    continue_: str = ""
    remaining: int | None = None

    def metadata(self) -> dict[str, Any]:
        """``ListMeta``."""
        meta: dict[str, Any] = {"resourceVersion": str(self.version)}
        if self.continue_:
            meta["continue"] = self.continue_
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return meta


class _Token(msgspec.Struct):
    v: int
    """The version of the first page: later ones repeat it."""
    after: tuple[str, str]


def paged(items: list[StoredObject], version: int, selection: Selection, query: Mapping[str, str]) -> Page:
    """Cut a list to what ``limit`` and ``continue`` ask for.

    Later pages show the present, not a snapshot of the first page's time; no object that exists all the while is
    missed or repeated.
    """
    limit = integer(query, "limit", minimum=0) or 0
    if token := query.get("continue", ""):
        position = _parse_token(token)
        version = position.v
        items = [item for item in items if (item.namespace, item.name) > position.after]
    if not selection.everything:
        items = [item for item in items if selection.matches(item)]
    if not limit or len(items) <= limit:
        return Page(items, version)
    last = items[limit - 1]
    after = _Token(version, (last.namespace, last.name))
    return Page(
        items[:limit],
        version,
        base64.urlsafe_b64encode(msgspec.json.encode(after)).decode().rstrip("="),
        len(items) - limit if selection.everything else None,
    )


def _parse_token(token: str) -> _Token:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=_Token)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise bad_request("continue key is not valid") from error


def check_version(query: Mapping[str, str], current: int) -> None:
    """``resourceVersion`` and ``resourceVersionMatch`` of a list. Raises ApiError 400, 410."""
    version = query.get("resourceVersion", "")
    match = query.get("resourceVersionMatch", "")
    if match not in ("", "Exact", "NotOlderThan"):
        raise bad_request(
            f'resourceVersionMatch: Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        )
    if match and not version:
        raise bad_request(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    wanted = integer({"resourceVersion": version}, "resourceVersion", minimum=0) or 0
    if match == "Exact" and wanted != current:
        # Only the present state is kept.
        raise expired(f"The provided resource version is not available: {wanted} (current: {current})")


def encode_list(resource: Resource, page: Page) -> bytes:
    """The list as JSON. The objects are already JSON and are not decoded."""
    head = msgspec.json.encode(
        {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": page.metadata()}
    )
    return head[:-1] + b',"items":[' + b",".join([item.data for item in page.items]) + b"]}"


def encode_table(
    resource: Resource,
    items: Sequence[StoredObject],
    metadata: dict[str, Any],
    include: str,
    *,
    with_columns: bool = True,
) -> bytes:
    """The list as a Table."""
    cells = resource.cells
    rows = [
        ((cells(resource.strategy.load(item)) if cells is not None else _default_cells(item)), item.data)
        for item in items
    ]
    columns = resource.columns if cells is not None else DEFAULT_COLUMNS
    return render(columns, rows, list_metadata=metadata, include=include, with_columns=with_columns)


class _Created(msgspec.Struct):
    creationTimestamp: str = ""  # noqa: N815 - the JSON's name


class _Dated(msgspec.Struct):
    metadata: _Created


def _default_cells(item: StoredObject) -> list[Any]:
    return [item.name, msgspec.json.decode(item.data, type=_Dated).metadata.creationTimestamp]
