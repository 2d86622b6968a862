"""Events: what ``kubectl describe`` shows at the bottom. Equal ones are counted, old ones are forgotten.

Written in batches, shortly after they happened: an event is news, not state, and the pod does not wait for it. What
is not written when the daemon is killed is lost.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import msgspec

from pyrt.kube.event import Event, EventSource
from pyrt.kube.meta import ObjectMeta, ObjectReference
from pyrt.kube.pod import Pod
from pyrt.kube.times import to_text
from pyrt.store import Store

NORMAL: Final = "Normal"
WARNING: Final = "Warning"
KIND: Final = "Event"
COMPONENT: Final = "kubelet"
_BATCH_SECONDS: Final = 0.05
_KEEP_SECONDS: Final = 3600
"""Kubernetes' default (kube-apiserver, ``--event-ttl``)."""
_KEEP_COUNT: Final = 2000
_KNOWN_MAX: Final = 2000
_EXPIRE_EVERY: Final = 60
_MESSAGE_MAX: Final = 1024
"""Characters (apiserver, event validation)."""

_Key = tuple[str, str, str, str, str]


@dataclass(slots=True)
class _Known:
    event: Event
    dirty: bool = True
    stored: bool = False


class EventRecorder:
    """Takes events from the workers and puts them into the store. One event loop."""

    def __init__(self, store: Store, node_name: str) -> None:
        self._store = store
        self._source = EventSource(component=COMPONENT, host=node_name)
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._expired_at = 0.0

    def emit(self, pod: Pod, kind: str, reason: str, message: str, *, container: str = "", init: bool = False) -> None:
        """Something happened to a pod, or to one of its containers."""
        path = f"spec.{'initContainers' if init else 'containers'}{{{container}}}" if container else ""
        message = message[:_MESSAGE_MAX]
        key = (pod.metadata.uid, path, kind, reason, message)
        now = time.time_ns()
        stamp = to_text(now)
        known = self._known.get(key)
        if known is not None:
            known.event.count += 1
            known.event.last_timestamp = stamp
            known.dirty = True
            self._known.move_to_end(key)
        else:
            self._known[key] = _Known(self._new(pod, path, kind, reason, message, now, stamp))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_BATCH_SECONDS, self.flush)

    def _new(self, pod: Pod, path: str, kind: str, reason: str, message: str, now: int, stamp: str) -> Event:
        meta = pod.metadata
        return Event(
            metadata=ObjectMeta(
                # The name that client-go gives its events: unique as long as the clock goes on.
                name=f"{meta.name}.{now:x}",
                namespace=meta.namespace,
                uid=str(uuid.uuid4()),
                creation_timestamp=stamp,
            ),
            involved_object=ObjectReference(
                kind="Pod",
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                api_version="v1",
                resource_version=meta.resource_version,
                field_path=path,
            ),
            reason=reason,
            message=message,
            source=self._source,
            first_timestamp=stamp,
            last_timestamp=stamp,
            count=1,
            type=kind,
            reporting_component=COMPONENT,
            reporting_instance=self._source.host,
        )

    def forget(self, uid: str) -> None:
        """The pod is gone: its events stay readable for a while, but are counted no further."""
        self.flush()
        for key in [key for key in self._known if key[0] == uid]:
            del self._known[key]

    def flush(self) -> None:
        """Write what is not written yet, in one transaction."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending = [known for known in self._known.values() if known.dirty]
        if not pending:
            return
        with self._store.transaction():
            for known in pending:
                self._write(known)
            self._expire()
        while len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)

    def _write(self, known: _Known) -> None:
        event = known.event
        meta = event.metadata

        def encoded(version: int) -> bytes:
            meta.resource_version = str(version)
            return msgspec.json.encode(event)

        objects = self._store.objects
        if known.stored and objects.find(KIND, meta.namespace, meta.name) is None:
            known.stored = False  # someone deleted it, or it was too old
            meta.uid = str(uuid.uuid4())
        if known.stored:
            objects.update(KIND, meta.namespace, meta.name, encoded, durable=False)
        else:
            objects.create(KIND, meta.namespace, meta.name, meta.uid, encoded, durable=False)
        known.stored, known.dirty = True, False

    def _expire(self) -> None:
        now = time.monotonic()
        if now - self._expired_at >= _EXPIRE_EVERY:
            self._expired_at = now
            self._store.objects.expire(KIND, int(time.time()) - _KEEP_SECONDS, keep=_KEEP_COUNT)

    def close(self) -> None:
        """Write the last ones."""
        self.flush()
