"""ServiceAccounts: kept, and one named ``default`` in every namespace, since tools look for it. No tokens are made."""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import msgspec

from pyrt.api.decoding import decode_body, expect_v1, refuse
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import ALL_VERBS, Resource, Strategy, WriteContext
from pyrt.api.table import AGE, NAME
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.service_account import ServiceAccount
from pyrt.kube.times import to_text
from pyrt.kube.validation.metadata import validate_metadata
from pyrt.store import Store, StoredObject

KIND: Final = "ServiceAccount"
DEFAULT: Final = "default"
_decoder: Final = msgspec.json.Decoder(ServiceAccount)


class ServiceAccountStrategy(Strategy[ServiceAccount]):
    """Only stored."""

    def decode(self, body: bytes, context: WriteContext) -> ServiceAccount:
        """See :class:`Strategy`."""
        value = decode_body(body, ServiceAccount, context)
        expect_v1(value.api_version, value.kind, KIND)
        return value

    def load(self, item: StoredObject) -> ServiceAccount:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: ServiceAccount) -> bytes:
        """See :class:`Strategy`."""
        return msgspec.json.encode(value)

    def prepare_create(self, value: ServiceAccount, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        refuse(KIND, value.metadata.name, validate_metadata(value.metadata))

    def prepare_update(self, value: ServiceAccount, old: ServiceAccount, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        refuse(KIND, value.metadata.name, validate_metadata(value.metadata))


def ensure_default(store: Store, namespace: str) -> None:
    """Make the ServiceAccount that every namespace has, unless it is there."""
    if store.objects.find(KIND, namespace, DEFAULT) is not None:
        return
    meta = ObjectMeta(
        name=DEFAULT, namespace=namespace, uid=str(uuid.uuid4()), creation_timestamp=to_text(time.time_ns())
    )
    value = ServiceAccount(metadata=meta)

    def encoded(version: int) -> bytes:
        meta.resource_version = str(version)
        return msgspec.json.encode(value)

    store.objects.create(KIND, namespace, DEFAULT, meta.uid, encoded, durable=False)


def _cells(value: ServiceAccount) -> list[Any]:
    return [value.metadata.name, age(value.metadata.creation_timestamp)]


def service_accounts() -> Resource:
    """``v1 ServiceAccount``."""
    return Resource(
        plural="serviceaccounts",
        singular="serviceaccount",
        kind=KIND,
        verbs=ALL_VERBS,
        strategy=ServiceAccountStrategy(),
        short_names=("sa",),
        type=ServiceAccount,
        columns=(NAME, AGE),
        cells=_cells,
    )
