"""All pods of this instance: a worker for each, what they share, and what is left over by earlier daemons."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from pyrt.errors import PyrtError
from pyrt.ids import ImageId, SandboxId
from pyrt.images.service import ImageService
from pyrt.kube.claims import uses_claims
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import PodStatus
from pyrt.kube.times import to_text
from pyrt.kube.update import MIRROR
from pyrt.pods import translate
from pyrt.pods.admission import Admission
from pyrt.pods.allocation import Allocation
from pyrt.pods.events import NORMAL, EventRecorder
from pyrt.pods.facts import NodeFacts
from pyrt.pods.lifetime import TERMINAL
from pyrt.pods.node_conditions import NodeConditions
from pyrt.pods.object_watch import ObjectWatch, concerns
from pyrt.pods.probes import Prober
from pyrt.pods.references import StoreReferences
from pyrt.pods.state import Tools
from pyrt.pods.user_namespaces import UserNamespaces
from pyrt.pods.worker import PodWorker
from pyrt.runtime import Runtime
from pyrt.runtime.config import Owner
from pyrt.runtime.status import RuntimeEvent, SandboxStatus
from pyrt.store import Conflict, NotFound, Store, StoredObject, StoreError
from pyrt.volumes import memory
from pyrt.volumes.removal import remove_directory

log = logging.getLogger(__name__)

KIND: Final = "Pod"
_PARALLEL_STARTS: Final = 2 * (os.cpu_count() or 1)
"""Sandboxes made at the same time: enough to keep every core busy while some wait for the kernel."""

_decoder: Final = msgspec.json.Decoder(Pod)


class Leftover(msgspec.Struct, frozen=True):
    """What remains to be removed of a pod whose object is gone. Written in the transaction that removes the object."""

    uid: str
    name: str
    sandboxes: list[SandboxId]
    directories: list[str]
    memory: str = ""
    """Where its volumes in memory are, if it may have any."""


class Supervisor:
    """Runs the pods of the store. One event loop; the store's Pod objects are changed through it or told to it."""

    def __init__(self, store: Store, runtime: Runtime, images: ImageService, facts: NodeFacts) -> None:
        self.facts = facts
        self.events = EventRecorder(store, facts.name, facts.event_ttl, busy=lambda: runtime.rushing)
        self._store = store
        self._runtime = runtime
        self._leftovers = store.table("pod-leftovers")
        self._workers: dict[str, PodWorker] = {}
        self._cleaning: set[asyncio.Task[None]] = set()
        self._created: list[Callable[[Pod], None]] = []
        self._removed: list[Callable[[str], None]] = []
        self._leaving: dict[str, Pod] = {}
        self._unsubscribe = runtime.subscribe(self._on_event)
        self.admission = Admission(store, facts.room, self.residents)
        self.conditions = NodeConditions(facts.name, self.events)
        self._objects = ObjectWatch(store, ("ConfigMap", "Secret"), self._object_changed)
        self._tools = Tools(
            runtime=runtime,
            images=images,
            events=self.events,
            facts=facts,
            keeper=self,
            references=StoreReferences(store),
            starting=asyncio.Semaphore(_PARALLEL_STARTS),
            prober=Prober(runtime),
            user_namespaces=UserNamespaces(facts.id_ranges, runtime.list_sandboxes),
        )

    # --- start and stop -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take over every pod: those in the store go on where they are, what belongs to none is removed.

        To be called after the runtime has recovered.
        """
        items, _ = self._store.objects.list(KIND)
        for item in items:
            pod = _decoder.decode(item.data)
            self._workers[item.uid] = PodWorker(pod, self._tools)
        for sandbox in self._own_sandboxes():
            worker = self._workers.get(sandbox.config.metadata.uid)
            if worker is not None:
                worker.adopt(sandbox.id)
        self._collect_orphans()
        self._objects.start()
        self.admission.restore(self._workers)
        for worker in self._workers.values():
            worker.start()
        self.events.start()

    def _own_sandboxes(self) -> list[SandboxStatus]:
        return self._runtime.list_sandboxes(Owner.API)

    def _collect_orphans(self) -> None:
        for value in dict(self._leftovers.items()).values():
            self._clean(msgspec.json.decode(value, type=Leftover))
        planned = {task.get_name() for task in self._cleaning}
        for sandbox in self._own_sandboxes():
            meta = sandbox.config.metadata
            if meta.uid in self._workers or meta.uid in planned:
                continue
            directories = [str(sandbox.config.log_directory), str(self.facts.pods / meta.uid)]
            in_memory = str(self.facts.volumes_in_memory / meta.uid)
            self._clean(Leftover(meta.uid, f"{meta.namespace}/{meta.name}", [sandbox.id], directories, in_memory))

    async def close(self) -> None:
        """Let go of every pod; they run on."""
        self._unsubscribe()
        await self._objects.close()
        self.admission.close()
        await asyncio.gather(*(worker.close() for worker in self._workers.values()))
        self._tools.prober.close()
        for task in self._cleaning:
            task.cancel()
        await asyncio.gather(*self._cleaning, return_exceptions=True)
        self.events.close()

    # --- what others tell -----------------------------------------------------------------------------------------

    def _on_event(self, event: RuntimeEvent) -> None:
        try:
            config = self._runtime.sandbox_status(event.sandbox_id).config
        except PyrtError:
            return  # it is gone, and with it what there was to do
        worker = self._workers.get(config.metadata.uid) if config.owner is Owner.API else None
        if worker is not None:
            worker.wake()

    def _object_changed(self, kind: str, namespace: str, name: str | None) -> None:
        for worker in self._workers.values():
            if concerns(worker.pod, kind, namespace, name):
                worker.reconsider()

    def created(self, pod: Pod) -> None:
        """A Pod object was committed: begin."""
        worker = self._workers[pod.metadata.uid] = PodWorker(pod, self._tools)
        if not pod.spec.scheduling_gates and MIRROR not in pod.metadata.annotations:
            self._scheduled(pod)
        worker.state.rejection = self.admission.admit(worker.state)
        worker.start()
        for callback in self._created:
            callback(pod)

    def _scheduled(self, pod: Pod) -> None:
        where = f"{pod.metadata.namespace}/{pod.metadata.name} to {self.facts.name}"
        self.events.emit(pod, NORMAL, "Scheduled", f"Successfully assigned {where}")

    def updated(self, pod: Pod) -> None:
        """A Pod object was changed."""
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            released = worker.pod.spec.scheduling_gates and not pod.spec.scheduling_gates
            worker.pod = pod
            if released:
                self._scheduled(pod)
                worker.state.rejection = self.admission.admit(worker.state)
            meta = pod.metadata
            if meta.deletion_timestamp is not None and not meta.finalizers and not meta.deletion_grace_period_seconds:
                self.finish(pod, worker.sandboxes)  # it was its finalizers that kept it
                return
            self.admission.consider(worker)
            worker.wake()

    def before_resize(self, pod: Pod) -> None:
        """Other resources for a pod are about to be committed: note what it has."""
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            self.admission.before_resize(worker.state)

    def on_created(self, callback: Callable[[Pod], None]) -> None:
        """Call back with every new pod."""
        self._created.append(callback)

    def on_removed(self, callback: Callable[[str], None]) -> None:
        """Call back with the namespace whenever a Pod object has been removed from it; a second time when nothing is
        left of a pod that used claims.
        """
        self._removed.append(callback)

    def leaving(self) -> list[Pod]:
        """Pods with claims whose objects are gone and whose containers may still be there."""
        return list(self._leaving.values())

    def retry_volumes(self, namespace: str) -> None:
        """Something that volumes wait for may be there now: pods of the namespace that wait need not wait longer."""
        for worker in self._workers.values():
            if worker.pod.metadata.namespace == namespace:
                worker.retry_volumes()

    def residents(self) -> list[PodWorker]:
        """All pods' workers."""
        return list(self._workers.values())

    def pods(self) -> list[Pod]:
        """The present objects of all pods, decoded."""
        return [worker.pod for worker in self._workers.values()]

    def find(self, namespace: str, name: str) -> Pod | None:
        """The present object of one pod, decoded."""
        item = self._store.objects.find(KIND, namespace, name)
        worker = self._workers.get(item.uid) if item is not None else None
        return worker.pod if worker is not None else None

    def sandboxes(self, uid: str) -> tuple[SandboxId, ...]:
        """The sandboxes of a pod."""
        worker = self._workers.get(uid)
        return worker.sandboxes if worker is not None else ()

    def users_of(self, image: ImageId) -> list[str]:
        """The pods (``namespace/name``) that have containers of an image, or a volume."""
        names = set()
        for status in self._runtime.list_containers(owner=Owner.API):
            if status.config.image.id == image:
                meta = self._runtime.sandbox_status(status.sandbox_id).config.metadata
                names.add(f"{meta.namespace}/{meta.name}")
        for sandbox in self._own_sandboxes():
            if any(mount.image == image for mount in sandbox.config.image_mounts):
                names.add(f"{sandbox.config.metadata.namespace}/{sandbox.config.metadata.name}")
        return sorted(names)

    def images_in_use(self) -> set[ImageId]:
        """Images that containers of any kind run on, or that are volumes."""
        return self._runtime.images_in_use()

    # --- deletion -------------------------------------------------------------------------------------------------

    def delete(self, item: StoredObject, grace_seconds: int | None) -> StoredObject | None:
        """Begin to delete a pod, or shorten a deletion under way; ``None`` if the object is gone at once.

        ``grace_seconds`` ``None`` is the pod's own; 0 kills what runs and removes the object now, unless finalizers
        keep it. Whoever answers a client waits for the disk first (:meth:`pyrt.store.Store.synced`).
        """
        worker = self._workers.get(item.uid)
        pod = worker.pod if worker is not None else _decoder.decode(item.data)
        grace = grace_seconds if grace_seconds is not None else pod.spec.termination_grace_period_seconds
        grace = max(30 if grace is None else grace, 0)
        at_once = grace == 0 or pod.status.phase in ("Succeeded", "Failed")
        if worker is not None and at_once and pod.metadata.finalizers:
            self.hold(pod)
            worker.wake()
            return self._store.objects.get(KIND, item.namespace, item.name)
        if worker is None or at_once:
            self.finish(pod, worker.sandboxes if worker is not None else ())
            return None
        meta = pod.metadata
        if meta.deletion_timestamp is not None and (meta.deletion_grace_period_seconds or 0) <= grace:
            return item  # it is going already, and not slower than this
        # The API's time of deletion is when the grace is over.
        meta.deletion_timestamp = (datetime.now(UTC) + timedelta(seconds=grace)).strftime("%Y-%m-%dT%H:%M:%SZ")
        meta.deletion_grace_period_seconds = grace
        meta.generation += 1
        stored = self._store_pod(pod)
        worker.wake()
        return stored

    # --- what the workers ask (Keeper) ----------------------------------------------------------------------------

    def write_status(self, pod: Pod, status: PodStatus) -> None:
        """See :class:`pyrt.pods.state.Keeper`."""
        before = pod.status
        pod.status = status
        try:
            # Together: a pod that is Succeeded must not have a container that was lost, after a power cut.
            with self._store.transaction():
                self._runtime.flush_ends()
                try:
                    self._store_pod(pod)
                except NotFound:
                    log.debug("pod %s/%s is gone", pod.metadata.namespace, pod.metadata.name)
        except StoreError:
            pod.status = before  # else the next look would find nothing to write
            raise
        if status.phase in TERMINAL:
            self.admission.reconsider()

    def _store_pod(self, pod: Pod) -> StoredObject:
        meta = pod.metadata

        def encoded(version: int) -> bytes:
            meta.resource_version = str(version)
            return msgspec.json.encode(pod)

        return self._store.objects.update(KIND, meta.namespace, meta.name, encoded, uid=meta.uid, durable=False)

    def keep_allocation(self, uid: str, allocation: Allocation) -> None:
        """See :class:`pyrt.pods.state.Keeper`."""
        self.admission.keep(uid, allocation)

    def hold(self, pod: Pod) -> None:
        """See :class:`pyrt.pods.state.Keeper`."""
        meta = pod.metadata
        if meta.deletion_timestamp is not None and meta.deletion_grace_period_seconds == 0:
            return
        meta.deletion_timestamp = meta.deletion_timestamp or to_text(time.time_ns())
        meta.deletion_grace_period_seconds = 0
        self._store_pod(pod)

    def finish(self, pod: Pod, sandboxes: tuple[SandboxId, ...]) -> None:
        """See :class:`pyrt.pods.state.Keeper`. If the daemon dies before all is cleared away, the next one goes on."""
        meta = pod.metadata
        leftover = Leftover(
            meta.uid,
            f"{meta.namespace}/{meta.name}",
            list(sandboxes),
            [str(translate.log_directory(pod, self.facts)), str(translate.pod_directory(meta.uid, self.facts))],
            str(self.facts.volumes_in_memory / meta.uid) if pod.spec.volumes else "",
        )

        def encoded(version: int) -> bytes:
            meta.resource_version = str(version)
            return msgspec.json.encode(pod)

        try:
            with self._store.transaction():
                self._leftovers.put(meta.uid, msgspec.json.encode(leftover))
                self._store.objects.delete(KIND, meta.namespace, meta.name, data=encoded, uid=meta.uid, durable=False)
        except (NotFound, Conflict):
            log.debug("pod %s/%s was gone already", meta.namespace, meta.name)
            return
        if uses_claims(pod):
            self._leaving[meta.uid] = pod
        worker = self._workers.pop(meta.uid, None)
        self._clean(leftover, worker, patient=translate.can_wait(pod))
        if worker is not None:
            self.admission.forget(worker.state)
        for callback in self._removed:
            callback(meta.namespace)

    def _clean(self, leftover: Leftover, worker: PodWorker | None = None, *, patient: bool = False) -> None:
        task = asyncio.create_task(self._clean_now(leftover, worker, patient), name=leftover.uid)
        self._cleaning.add(task)
        task.add_done_callback(self._cleaned)

    def _cleaned(self, task: asyncio.Task[None]) -> None:
        self._cleaning.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The record stays: the next daemon tries again.
            log.error("pod %s: could not be cleared away: %s", task.get_name(), error)
            return
        if (pod := self._leaving.pop(task.get_name(), None)) is not None:
            for callback in self._removed:
                callback(pod.metadata.namespace)

    async def _clean_now(self, leftover: Leftover, worker: PodWorker | None, patient: bool) -> None:
        if worker is not None:
            await worker.close()
        known = {status.id for status in self._own_sandboxes() if status.config.metadata.uid == leftover.uid}
        if patient:
            await self._runtime.rush_over()
        for sandbox_id in known | set(leftover.sandboxes):
            await self._runtime.stop_sandbox(sandbox_id)
            await self._runtime.remove_sandbox(sandbox_id)
        if any(os.path.lexists(directory) for directory in leftover.directories):
            await asyncio.to_thread(_remove, leftover.directories)
        if leftover.memory:
            await asyncio.to_thread(memory.release, Path(leftover.memory))
        self.events.forget(leftover.uid)
        self._leftovers.delete(leftover.uid)

    def clearing(self, uid: str) -> bool:
        """Whether something of a pod that is gone is still being cleared away."""
        return any(task.get_name() == uid for task in self._cleaning)

    async def settled(self) -> None:
        """Wait until everything of deleted pods is cleared away."""
        while self._cleaning:
            await asyncio.wait(set(self._cleaning))


def _remove(directories: list[str]) -> None:
    for directory in directories:
        remove_directory(Path(directory))
