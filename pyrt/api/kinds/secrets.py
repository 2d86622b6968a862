"""Secrets: kept for the pods that name them (volumes, variables, imagePullSecrets)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pyrt.api.decoding import decode_body, expect_v1, refuse
from pyrt.api.errors import bad_request
from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import ALL_VERBS, Resource, Strategy, WriteContext
from pyrt.api.table import AGE, NAME, Column
from pyrt.kube.encoded import decoded
from pyrt.kube.secret import Secret, complete
from pyrt.kube.validation.secret import validate_secret, validate_secret_update
from pyrt.store import StoredObject

KIND: Final = "Secret"
_decoder: Final = msgspec.json.Decoder(Secret)


class SecretStrategy(Strategy[Secret]):
    """Only stored."""

    def decode(self, body: bytes, context: WriteContext) -> Secret:
        """See :class:`Strategy`."""
        secret = decode_body(body, Secret, context)
        expect_v1(secret.api_version, secret.kind, KIND)
        for key, text in secret.data.items():
            try:
                decoded(text)
            except ValueError as error:
                # Which key is more than the API server tells; the value stays unsaid.
                raise bad_request(
                    f'Secret in version "v1" cannot be handled as a Secret: data[{key}]: {error}'
                ) from error
        complete(secret)
        return secret

    def load(self, item: StoredObject) -> Secret:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: Secret) -> bytes:
        """See :class:`Strategy`."""
        return msgspec.json.encode(value)

    def prepare_create(self, value: Secret, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        refuse(KIND, value.metadata.name, validate_secret(value))

    def prepare_update(self, value: Secret, old: Secret, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        refuse(KIND, value.metadata.name, validate_secret_update(value, old))


def _cells(secret: Secret) -> list[Any]:
    meta = secret.metadata
    return [meta.name, secret.type, len(secret.data), age(meta.creation_timestamp)]


def secrets() -> Resource:
    """``v1 Secret``."""
    return Resource(
        plural="secrets",
        singular="secret",
        kind=KIND,
        verbs=ALL_VERBS,
        strategy=SecretStrategy(),
        fields={"type": ("type",)},
        type=Secret,
        columns=(
            NAME,
            Column("Type", description="What the data is for."),
            Column("Data", type="string", description="How many values it has."),
            AGE,
        ),
        cells=_cells,
    )
