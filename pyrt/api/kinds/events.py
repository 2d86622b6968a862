"""Events: written by the pods' workers, read here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pyrt.api.kinds.pod_table import age
from pyrt.api.resources import Resource, Strategy
from pyrt.api.table import Column
from pyrt.kube.event import Event
from pyrt.store import StoredObject

_decoder: Final = msgspec.json.Decoder(Event)

COLUMNS: Final = (
    Column("Last Seen", description="When it last happened."),
    Column("Type", description="Normal or Warning."),
    Column("Reason"),
    Column("Object", description="What it happened to."),
    Column("Subobject", priority=1),
    Column("Source", priority=1),
    Column("Message"),
    Column("First Seen", priority=1),
    Column("Count", type="integer", priority=1),
    Column("Name", format="name", priority=1),
)


class EventStrategy(Strategy[Event]):
    """Only read and deleted through the API."""

    def load(self, item: StoredObject) -> Event:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)


def _cells(event: Event) -> list[Any]:
    about = event.involved_object
    return [
        age(event.last_timestamp or event.first_timestamp),
        event.type,
        event.reason,
        f"{about.kind.lower()}/{about.name}",
        about.field_path,
        ", ".join(part for part in (event.source.component, event.source.host) if part),
        event.message.strip(),
        age(event.first_timestamp),
        event.count,
        event.metadata.name,
    ]


def events() -> Resource:
    """``v1 Event``."""
    about = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    return Resource(
        plural="events",
        singular="event",
        kind="Event",
        verbs=("delete", "deletecollection", "get", "list", "watch"),
        strategy=EventStrategy(),
        short_names=("ev",),
        fields={f"involvedObject.{name}": ("involvedObject", name) for name in about}
        | {
            "reason": ("reason",),
            "type": ("type",),
            "source": ("source", "component"),
            "reportingComponent": ("reportingComponent",),
        },
        type=Event,
        columns=COLUMNS,
        cells=_cells,
    )
