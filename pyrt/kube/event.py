"""Events: what happened to an object, and how often."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, KubeStruct, Time, null
from pyrt.kube.meta import ObjectMeta, ObjectReference


class EventSource(KubeStruct):
    """The component that reports."""

    component: str = ""
    host: str = ""


class EventSeries(KubeStruct):
    """A repeated event."""

    count: Int32 = 0
    last_observed_time: Time | None = field(default_factory=null)


class Event(KubeStruct):
    """One thing that happened."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "Event")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    involved_object: ObjectReference = field(default_factory=ObjectReference)
    reason: str = ""
    message: str = ""
    source: EventSource = field(default_factory=EventSource)
    first_timestamp: Time | None = field(default_factory=null)
    last_timestamp: Time | None = field(default_factory=null)
    count: Int32 = 0
    type: str = ""
    event_time: Time | None = field(default_factory=null)
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = field(default_factory=str)
    reporting_instance: str = field(default_factory=str)
