"""Namespaces: real objects, so that what belongs together can be listed and deleted together."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec

from pyrt.api.decoding import decode_body, expect_v1
from pyrt.api.errors import forbidden, invalid
from pyrt.api.kinds.pod_table import age
from pyrt.api.kinds.service_accounts import ensure_default
from pyrt.api.resources import Resource, Strategy, WriteContext
from pyrt.api.table import AGE, NAME, Column
from pyrt.kube.base import KubeStruct
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.response import DeleteOptions, Status, StatusCause
from pyrt.kube.times import to_text
from pyrt.store import Store, StoredObject

KIND: Final = "Namespace"
INITIAL: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
CONTENT: Final = ("ConfigMap", "Secret", "ServiceAccount", "Event")
"""The kinds that go with their namespace at once."""
AWAITED: Final = ("Pod", "PersistentVolumeClaim")
"""The kinds that take their time, and the namespace waits for them."""
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


class NamespaceSpec(KubeStruct):
    """What keeps a namespace from going."""

    finalizers: list[str] = msgspec.field(default_factory=list)


class NamespaceStatus(KubeStruct):
    """Active or Terminating."""

    phase: str = ""


class Namespace(KubeStruct):
    """A namespace."""

    api_version: str = msgspec.field(default_factory=lambda: "v1")
    kind: str = msgspec.field(default_factory=lambda: KIND)
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: NamespaceSpec = msgspec.field(default_factory=NamespaceSpec)
    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)


_decoder: Final = msgspec.json.Decoder(Namespace)


class NamespaceStrategy(Strategy[Namespace]):
    """A namespace goes when the pods in it are gone."""

    def __init__(self, store: Store, delete_pods: Callable[[str], None]) -> None:
        self._store = store
        self._delete_pods = delete_pods
        self.delete = self._delete

    def decode(self, body: bytes, context: WriteContext) -> Namespace:
        """See :class:`Strategy`."""
        value = decode_body(body, Namespace, context)
        expect_v1(value.api_version, value.kind, KIND)
        return value

    def load(self, item: StoredObject) -> Namespace:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: Namespace) -> bytes:
        """See :class:`Strategy`."""
        return msgspec.json.encode(value)

    def prepare_create(self, value: Namespace, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        name = value.metadata.name
        if not _LABEL.fullmatch(name):
            cause = StatusCause(
                reason="FieldValueInvalid", message=f'Invalid value: "{name}": {_RULE}', field="metadata.name"
            )
            raise invalid(KIND, name, [cause])
        _complete(value)

    def prepare_update(self, value: Namespace, old: Namespace, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        value.spec, value.status = old.spec, old.status
        value.metadata.labels["kubernetes.io/metadata.name"] = old.metadata.name

    def created(self, value: Namespace, item: StoredObject) -> None:
        """See :class:`Strategy`."""
        ensure_default(self._store, value.metadata.name)

    async def _delete(self, item: StoredObject, options: DeleteOptions, context: WriteContext) -> StoredObject | Status:
        if item.name in INITIAL[:1] + INITIAL[2:]:
            raise forbidden("namespaces", item.name, "this namespace may not be deleted")
        value = self.load(item)
        if value.metadata.deletion_timestamp is None:
            value.metadata.deletion_timestamp = _now()
            value.status.phase = "Terminating"
            item = self._put(value)
        self._delete_pods(item.name)
        self.settle(item.name)
        return item

    def settle(self, name: str) -> None:
        """Remove a namespace that is to go, if nothing is left in it."""
        item = self._store.objects.find(KIND, "", name)
        if item is None or self.load(item).metadata.deletion_timestamp is None:
            return
        if any(self._store.objects.list(kind, name)[0] for kind in AWAITED):
            return
        with self._store.transaction(durable=True):
            for kind in CONTENT:
                for content in self._store.objects.list(kind, name)[0]:
                    self._store.objects.delete(kind, name, content.name, durable=False)
            self._store.objects.delete(KIND, "", name)

    def _put(self, value: Namespace) -> StoredObject:
        def encoded(version: int) -> bytes:
            value.metadata.resource_version = str(version)
            return self.encode(value)

        return self._store.objects.update(KIND, "", value.metadata.name, encoded)


def _now() -> str:
    return to_text(time.time_ns())


def _complete(value: Namespace) -> None:
    value.metadata.labels["kubernetes.io/metadata.name"] = value.metadata.name
    value.spec.finalizers = ["kubernetes"]
    value.status.phase = "Active"


def ensure_initial(store: Store) -> None:
    """Make the namespaces that every Kubernetes has, and what every namespace has."""
    for name in INITIAL:
        if store.objects.find(KIND, "", name) is not None:
            continue
        value = Namespace(metadata=ObjectMeta(name=name, uid=str(uuid.uuid4()), creation_timestamp=_now()))
        _complete(value)

        def encoded(version: int, value: Namespace = value) -> bytes:
            value.metadata.resource_version = str(version)
            return msgspec.json.encode(value)

        store.objects.create(KIND, "", name, value.metadata.uid, encoded)
    for item in store.objects.list(KIND)[0]:
        ensure_default(store, item.name)


def _cells(value: Namespace) -> list[Any]:
    return [value.metadata.name, value.status.phase, age(value.metadata.creation_timestamp)]


def namespaces(strategy: NamespaceStrategy) -> Resource:
    """``v1 Namespace``."""
    return Resource(
        plural="namespaces",
        singular="namespace",
        kind=KIND,
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        strategy=strategy,
        namespaced=False,
        short_names=("ns",),
        fields={"status.phase": ("status", "phase")},
        type=Namespace,
        columns=(NAME, Column("Status", description="Active or Terminating."), AGE),
        cells=_cells,
    )
