"""Events: what ``kubectl describe`` shows at the bottom. Equal ones are counted, old ones are forgotten.

Written in batches, shortly after they happened: an event is news, not state, and the pod does not wait for it. What
is not written when the daemon is killed is lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from pyrt.kube.event import Event, EventSource
from pyrt.kube.meta import ObjectMeta, ObjectReference
from pyrt.kube.times import to_text
from pyrt.pods.correlation import Correlator, EventKey
from pyrt.store import Store, StoreError

log = logging.getLogger(__name__)

NORMAL: Final = "Normal"
WARNING: Final = "Warning"
KIND: Final = "Event"
COMPONENT: Final = "kubelet"
_BATCH_SECONDS: Final = 0.05
_LATEST_SECONDS: Final = 1.0
"""While pods are being started, which go first."""
_RETRY_SECONDS: Final = 5.0
_WAITING_MAX: Final = 2000
"""Events kept for later while they cannot be written; the oldest go."""
KEEP_SECONDS: Final = 3600
"""Kubernetes' default (kube-apiserver, ``--event-ttl``)."""
_KEEP_COUNT: Final = 2000
_KNOWN_MAX: Final = 2000
_EXPIRE_EVERY: Final = 60
_MESSAGE_MAX: Final = 1024
"""Characters (apiserver, event validation)."""


class EventSubject(Protocol):
    """An object that events are about: a Pod, a claim."""

    api_version: str
    kind: str
    metadata: ObjectMeta


@dataclass(slots=True)
class _Report:
    """Something that happened, not yet made into an Event."""

    key: EventKey
    about: EventSubject
    at: int
    path: str
    message: str
    times: int = 1


class EventRecorder:
    """Takes events from the workers and puts them into the store. One event loop."""

    def __init__(
        self,
        store: Store,
        node_name: str,
        keep_seconds: int = KEEP_SECONDS,
        *,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """``busy``: whether there is something that goes first."""
        self._store = store
        self._busy = busy
        self._since = 0.0
        self._keep_seconds = keep_seconds
        self._correlator = Correlator()
        self._source = EventSource(component=COMPONENT, host=node_name)
        self._reports: dict[EventKey, _Report] = {}
        self._written: OrderedDict[EventKey, Event] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._last = 0

    def emit(
        self,
        about: EventSubject,
        kind: str,
        reason: str,
        message: str,
        *,
        container: str = "",
        init: bool = False,
        component: str = COMPONENT,
    ) -> None:
        """Something happened to an object, or to one of a pod's containers. Cheap: the work is done later."""
        path = f"spec.{'initContainers' if init else 'containers'}{{{container}}}" if container else ""
        # Never the same twice: it is in the event's name.
        now = self._last = max(time.time_ns(), self._last + 1)
        uid = about.metadata.uid or f"{about.kind} {about.metadata.name}"
        key = EventKey(uid, path, kind, reason, message[:_MESSAGE_MAX], component)
        admitted = self._correlator.admit(key, now)
        if admitted is None:
            return
        known = self._reports.get(admitted.key)
        if known is not None:
            known.times += admitted.times
            known.at, known.message = now, admitted.message
        else:
            self._reports[admitted.key] = _Report(admitted.key, about, now, path, admitted.message, admitted.times)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._since = loop.time()
            self._timer = loop.call_later(_BATCH_SECONDS, self._due)

    def _due(self) -> None:
        loop = asyncio.get_running_loop()
        if self._busy() and loop.time() < self._since + _LATEST_SECONDS:
            self._timer = loop.call_later(_BATCH_SECONDS, self._due)
        else:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet, in one transaction. When it cannot be (disk full), it is tried again later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._reports:
            return
        reports, self._reports = self._reports, {}
        begun: list[tuple[_Report, bool]] = []
        try:
            with self._store.transaction():
                for report in reports.values():
                    event, new = self._counted(report)
                    begun.append((report, new))
                    self._write(event, new=new)
        except StoreError as error:
            log.error("%d events are not written yet: %s", len(reports), error)
            self._take_back(begun)
            for key in list(reports)[:-_WAITING_MAX]:
                del reports[key]
            self._reports = reports
            self._timer = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.flush)
            return
        while len(self._written) > _KNOWN_MAX:
            self._written.popitem(last=False)

    def _take_back(self, begun: list[tuple[_Report, bool]]) -> None:
        """What was counted in a transaction that came to nothing."""
        for report, new in begun:
            if new:
                self._written.pop(report.key, None)
            elif (event := self._written.get(report.key)) is not None:
                event.count -= report.times

    def _counted(self, report: _Report) -> tuple[Event, bool]:
        """The event of a report, and whether it is a new one."""
        stamp = to_text(report.at)
        objects = self._store.objects
        event = self._written.get(report.key)
        if event is not None and objects.find(KIND, event.metadata.namespace, event.metadata.name) is None:
            event = None  # someone deleted it, or it was too old
        new = event is None
        if event is None:
            event = self._written[report.key] = self._new(report, stamp)
        else:
            event.count += report.times
            event.message = report.message[:_MESSAGE_MAX]
            event.last_timestamp = stamp
            self._written.move_to_end(report.key)
        return event, new

    def _write(self, event: Event, *, new: bool) -> None:
        objects, meta = self._store.objects, event.metadata

        def encoded(version: int) -> bytes:
            meta.resource_version = str(version)
            return msgspec.json.encode(event)

        if new:
            objects.create(KIND, meta.namespace, meta.name, meta.uid, encoded, durable=False)
        else:
            objects.update(KIND, meta.namespace, meta.name, encoded, durable=False)

    def _new(self, report: _Report, stamp: str) -> Event:
        meta = report.about.metadata
        kind, reason, component = report.key.type, report.key.reason, report.key.component
        namespace = meta.namespace or "default"  # where the events of objects without a namespace are
        source = EventSource(component=component, host=self._source.host if component == COMPONENT else "")
        return Event(
            metadata=ObjectMeta(
                # The name that client-go gives its events: unique as long as the clock goes on.
                name=f"{meta.name}.{report.at:x}",
                namespace=namespace,
                uid=str(uuid.uuid4()),
                creation_timestamp=stamp,
            ),
            involved_object=ObjectReference(
                kind=report.about.kind,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                api_version=report.about.api_version,
                resource_version=meta.resource_version,
                field_path=report.path,
            ),
            reason=reason,
            message=report.message[:_MESSAGE_MAX],
            source=source,
            first_timestamp=stamp,
            last_timestamp=stamp,
            count=report.times,
            type=kind,
            reporting_component=component,
            reporting_instance=source.host,
        )

    def forget(self, uid: str) -> None:
        """The pod is gone: its events stay readable for a while, but are counted no further."""
        self.flush()
        self._correlator.forget(uid)
        for key in [key for key in self._written if key.uid == uid]:
            del self._written[key]

    def start(self) -> None:
        """Begin to forget old events: now, and every minute, also on a node where nothing happens any more."""
        try:
            self._store.objects.expire(KIND, int(time.time()) - self._keep_seconds, keep=_KEEP_COUNT)
        except StoreError as error:
            log.error("old events are not forgotten yet: %s", error)
        self._expiry = asyncio.get_running_loop().call_later(_EXPIRE_EVERY, self.start)

    def close(self) -> None:
        """Write the last ones."""
        self.flush()
        if self._expiry is not None:
            self._expiry.cancel()
