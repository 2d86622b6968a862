"""Which sandbox has been added to which networks, how, and with what result: in the database, so that it is taken down
by the same configuration however much later, and by whichever daemon.

A record is written before the first plugin runs, and goes when the last has been undone.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pyrt.ids import SandboxId
from pyrt.network.cni.conf import Conf, Json, parse
from pyrt.network.cni.request import Attachment
from pyrt.store import Store, Table


class Attached(msgspec.Struct, kw_only=True):
    """One network of one sandbox."""

    conf: str
    """The configuration as it was, every plugin inlined: :meth:`pyrt.network.cni.conf.Conf.text`."""
    interface: str
    arguments: tuple[tuple[str, str], ...] = ()
    capabilities: dict[str, Any] = {}
    result: str = ""
    """What ADD answered, as JSON; empty until then."""

    def network(self) -> Conf:
        """The configuration."""
        return parse(self.conf, "(remembered)")

    def parsed_result(self) -> Json | None:
        """What ADD answered."""
        return json.loads(self.result) if self.result else None

    def attachment(self, container_id: str, netns: str) -> Attachment:
        """The parameters, the same as for ADD."""
        return Attachment(container_id, netns, self.interface, self.arguments, self.capabilities)


class Record(msgspec.Struct, kw_only=True):
    """All networks of one sandbox. Mutable; only :class:`pyrt.network.cni.network.CniNetwork` changes it."""

    id: SandboxId
    netns: str
    """The file that keeps its namespace."""
    attached: list[Attached] = []
    leaving: bool = False
    """It is being taken down, or should be: nothing but DEL from here on."""


class Records:
    """The table of the database, and what it says, in memory."""

    def __init__(self, store: Store) -> None:
        self._table: Table = store.table("cni")
        self._encoder = msgspec.json.Encoder()
        self.all: dict[SandboxId, Record] = {}

    def load(self) -> None:
        """Read what an earlier daemon has left."""
        decoder = msgspec.json.Decoder(Record)
        self.all = {record.id: record for record in (decoder.decode(value) for _, value in self._table.items())}

    def put(self, record: Record) -> None:
        """Write it. Raises StoreError."""
        self._table.put(record.id, self._encoder.encode(record))
        self.all[record.id] = record

    def delete(self, sandbox_id: SandboxId) -> None:
        """Forget it. Raises StoreError."""
        self._table.delete(sandbox_id)
        self.all.pop(sandbox_id, None)
