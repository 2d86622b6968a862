"""Carries out what :func:`pyrt.controllers.storage.rounds.decide` says, whenever something may have changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from pyrt.controllers.storage import directories
from pyrt.controllers.storage.errors import ProvisionError, ReclaimError, StorageError
from pyrt.controllers.storage.model import (
    PROVISIONER,
    RECLAIM_FINALIZER,
    Effect,
    MakeClaim,
    PodUse,
    Provision,
    Reclaim,
    RemoveClaim,
    RemoveVolume,
    Snapshot,
    Tell,
    WriteClaim,
    WriteVolume,
)
from pyrt.controllers.storage.rounds import decide, default_class
from pyrt.kube.claims import claims_of, uses_claims
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod
from pyrt.kube.storage import (
    IS_DEFAULT_CLASS,
    PV_PROTECTION,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
)
from pyrt.kube.times import to_text
from pyrt.pods.events import NORMAL, WARNING
from pyrt.pods.supervisor import Supervisor
from pyrt.store import AlreadyExists, Conflict, Gone, NotFound, Store, StoreError

log = logging.getLogger(__name__)

VOLUME: Final = "PersistentVolume"
CLAIM: Final = "PersistentVolumeClaim"
CLASS: Final = "StorageClass"
INITIAL_CLASS: Final = "standard"
COMPONENT: Final = "persistentvolume-controller"
_RETRY_SECONDS: Final = 15.0
"""After a failure: the period in which the controller manager looks at everything again."""

_volume: Final = msgspec.json.Decoder(PersistentVolume)
_claim: Final = msgspec.json.Decoder(PersistentVolumeClaim)
_class: Final = msgspec.json.Decoder(StorageClass)
_Stored = TypeVar("_Stored", PersistentVolume, PersistentVolumeClaim, StorageClass)


class StorageController:
    """One task on the daemon's event loop, which looks again when a claim, a volume or a class has changed,
    or a pod with claims has come or gone.

    Nothing is remembered between two rounds that is not in the store: after a restart the first round goes on where
    the last one stopped.
    """

    def __init__(self, store: Store, supervisor: Supervisor, root: Path) -> None:
        """``root`` is the directory below which a directory ``volumes`` holds what is provisioned."""
        self._store = store
        self._supervisor = supervisor
        self._directory = root / "volumes"
        self._wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: set[tuple[str, str, str]] = set()
        self._settled: list[Callable[[str], None]] = []
        self._seen = 0
        """The resource version that the last snapshot was taken at: what we write ourselves wakes nobody."""
        self._idle = False
        """There is neither a claim nor a volume: pods come and go without concerning us."""
        supervisor.on_created(self._pod_created)
        supervisor.on_removed(self._pod_removed)

    def start(self) -> None:
        """Begin to work; after the supervisor has begun."""
        self._ensure_class()
        self._spawn(self._run())
        for kind in (VOLUME, CLAIM, CLASS):
            self._spawn(self._follow(kind))

    async def close(self) -> None:
        """Stop working."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Look again."""
        self._wanted.set()

    def on_claims_gone(self, callback: Callable[[str], None]) -> None:
        """Call back with the namespace whenever a claim has been removed from it."""
        self._settled.append(callback)

    def default_class(self) -> str | None:
        """The name of the class of claims that name none."""
        chosen = default_class(self._list(CLASS, _class))
        return chosen.metadata.name if chosen is not None else None

    def expands(self, name: str | None) -> bool:
        """Whether volumes of a class may grow."""
        item = self._store.objects.find(CLASS, "", name or "")
        return item is not None and bool(_class.decode(item.data).allow_volume_expansion)

    def delete_claims(self, namespace: str) -> None:
        """Begin to delete every claim of a namespace that is to go."""
        for claim in self._list(CLAIM, _claim):
            if claim.metadata.namespace == namespace and claim.metadata.deletion_timestamp is None:
                claim.metadata.deletion_timestamp = to_text(time.time_ns())
                claim.metadata.deletion_grace_period_seconds = 0
                self._write(claim)

    # --- what others tell ---------------------------------------------------------------------------------------------

    def _pod_created(self, pod: Pod) -> None:
        if uses_claims(pod):
            self.wake()

    def _pod_removed(self, namespace: str) -> None:
        if self._idle:
            return
        self._supervisor.retry_volumes(namespace)  # what this pod had for itself alone is free
        self.wake()

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, kind: str) -> None:
        while True:
            with self._store.objects.watch(kind) as watch, contextlib.suppress(Gone):
                async for change in watch:
                    if change.resource_version > self._seen:
                        self.wake()
            self.wake()

    async def _run(self) -> None:
        known = frozenset(volume.metadata.name for volume in self._list(VOLUME, _volume))
        await asyncio.to_thread(directories.sweep, self._directory, known)
        self._spawn(self._empty_trash())
        self.wake()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while await self._round():
                    pass
            except (StoreError, StorageError) as error:
                log.error("storage: %s", error)
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.wake)
            except Exception:
                # A fault in pyrt must not leave claims without a controller; it is logged, and tried again.
                log.exception("storage: internal error")
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.wake)

    async def _round(self) -> bool:
        """Do everything that can be done now; whether that makes another look worth while."""
        self._seen = self._store.resource_version
        snapshot = self._snapshot()
        self._idle = not snapshot.claims and not snapshot.volumes
        effects = decide(snapshot)
        self._tell([effect for effect in effects if isinstance(effect, Tell)])
        changed = self._commit(effects)
        for effect in effects:
            if isinstance(effect, Provision):
                changed |= await self._provision(effect)
            elif isinstance(effect, Reclaim):
                changed |= await self._reclaim(effect)
        return changed

    def _snapshot(self) -> Snapshot:
        pods = [(pod, False) for pod in self._supervisor.pods()]
        everyone = [*pods, *((pod, True) for pod in self._supervisor.leaving())]
        return Snapshot(
            volumes=self._list(VOLUME, _volume),
            claims=self._list(CLAIM, _claim),
            classes=self._list(CLASS, _class),
            pods=[_use(pod, removed=removed) for pod, removed in everyone if uses_claims(pod)],
            pod_uids=frozenset(pod.metadata.uid for pod, _ in pods),
            node=self._supervisor.facts.name,
            directory=self._directory,
            now=to_text(time.time_ns()),
        )

    def _list(self, kind: str, decoder: msgspec.json.Decoder[_Stored]) -> list[_Stored]:
        return [decoder.decode(item.data) for item in self._store.objects.list(kind)[0]]

    # --- effects ------------------------------------------------------------------------------------------------------

    def _commit(self, effects: Sequence[Effect]) -> bool:
        """Everything that is only writing, in one transaction: both sides of a binding, or none."""
        changed: list[PersistentVolume | PersistentVolumeClaim] = []
        gone: list[PersistentVolume | PersistentVolumeClaim] = []
        if all(isinstance(effect, Tell | Provision | Reclaim) for effect in effects):
            return False
        try:
            with self._store.transaction(durable=True):
                for effect in effects:
                    match effect:
                        case WriteVolume(one) | WriteClaim(one):
                            self._write(one)
                            changed.append(one)
                        case MakeClaim(claim):
                            self._create(claim)
                            changed.append(claim)
                        case RemoveVolume(one) | RemoveClaim(one):
                            self._remove(one)
                            gone.append(one)
        except (Conflict, NotFound, AlreadyExists):
            self.wake()  # somebody was quicker: look again
            return False
        for one in (*changed, *gone):
            if isinstance(one, PersistentVolumeClaim):
                self._supervisor.retry_volumes(one.metadata.namespace)
        for namespace in {one.metadata.namespace for one in gone if isinstance(one, PersistentVolumeClaim)}:
            for callback in self._settled:
                callback(namespace)
        return bool(changed or gone)

    def _encoder(self, one: PersistentVolume | PersistentVolumeClaim | StorageClass) -> Callable[[int], bytes]:
        def encoded(version: int) -> bytes:
            one.metadata.resource_version = str(version)
            return msgspec.json.encode(one)

        return encoded

    def _write(self, one: PersistentVolume | PersistentVolumeClaim) -> None:
        meta = one.metadata
        self._store.objects.update(
            one.kind,
            meta.namespace,
            meta.name,
            self._encoder(one),
            expected=int(meta.resource_version),
            uid=meta.uid,
            durable=False,
        )

    def _create(self, one: PersistentVolume | PersistentVolumeClaim | StorageClass) -> None:
        meta = one.metadata
        meta.uid, meta.creation_timestamp = str(uuid.uuid4()), to_text(time.time_ns())
        self._store.objects.create(one.kind, meta.namespace, meta.name, meta.uid, self._encoder(one), durable=False)

    def _remove(self, one: PersistentVolume | PersistentVolumeClaim) -> None:
        meta = one.metadata
        self._store.objects.delete(
            one.kind,
            meta.namespace,
            meta.name,
            data=self._encoder(one),
            expected=int(meta.resource_version),
            uid=meta.uid,
            durable=False,
        )

    async def _provision(self, effect: Provision) -> bool:
        volume, claim = effect.volume, effect.claim
        name = volume.metadata.name
        try:
            await asyncio.to_thread(directories.make_directory, self._directory, name)
        except ProvisionError as error:
            self._emit(
                claim,
                WARNING,
                "ProvisioningFailed",
                f'failed to provision volume with StorageClass "{volume.spec.storage_class_name}": {error}',
            )
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.wake)
            return False
        try:
            self._create(volume)
        except AlreadyExists:
            return False
        self._emit(claim, NORMAL, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
        return True

    async def _reclaim(self, effect: Reclaim) -> bool:
        volume = effect.volume
        meta = volume.metadata
        try:
            await asyncio.to_thread(directories.throw_away, self._directory, meta.name)
        except ReclaimError as error:
            item = self._store.objects.find(VOLUME, "", meta.name)
            if item is not None and item.uid == meta.uid:
                volume = _volume.decode(item.data)
                volume.status.phase, volume.status.message = "Failed", str(error)
                self._write(volume)
            self._emit(volume, WARNING, "VolumeFailedDelete", str(error))
            return False
        self._spawn(self._empty_trash())
        item = self._store.objects.find(VOLUME, "", meta.name)
        if item is None or item.uid != meta.uid:
            return False
        volume = _volume.decode(item.data)
        own = (PV_PROTECTION, RECLAIM_FINALIZER)
        volume.metadata.finalizers = [name for name in volume.metadata.finalizers if name not in own]
        if volume.metadata.finalizers:
            volume.metadata.deletion_timestamp = volume.metadata.deletion_timestamp or to_text(time.time_ns())
            volume.metadata.deletion_grace_period_seconds = 0
            self._write(volume)
        else:
            self._remove(volume)
        return True

    async def _empty_trash(self) -> None:
        try:
            await asyncio.to_thread(directories.empty_trash, self._directory)
        except ReclaimError as error:
            log.error("storage: %s", error)

    # --- telling ------------------------------------------------------------------------------------------------------

    def _tell(self, effects: Sequence[Tell]) -> None:
        """One event for each thing that is the case, not for each look at it."""
        now = set()
        for effect in effects:
            key = (effect.about.metadata.uid, effect.reason, effect.message)
            now.add(key)
            if key not in self._told:
                self._emit(effect.about, WARNING if effect.warning else NORMAL, effect.reason, effect.message)
        self._told = now

    def _emit(self, about: PersistentVolume | PersistentVolumeClaim, kind: str, reason: str, message: str) -> None:
        self._supervisor.events.emit(about, kind, reason, message, component=COMPONENT)

    # --- the class that is there from the beginning -------------------------------------------------------------------

    def _ensure_class(self) -> None:
        """Make the default class, once: whoever deletes it or makes another the default has decided so."""
        marks = self._store.table("storage")
        if marks.get("initial-class") is not None:
            return
        with self._store.transaction(durable=True):
            marks.put("initial-class", INITIAL_CLASS.encode())
            if self._store.objects.find(CLASS, "", INITIAL_CLASS) is None:
                self._create(
                    StorageClass(
                        metadata=ObjectMeta(name=INITIAL_CLASS, annotations={IS_DEFAULT_CLASS: "true"}),
                        provisioner=PROVISIONER,
                        reclaim_policy="Delete",
                        volume_binding_mode="Immediate",
                        allow_volume_expansion=True,
                    )
                )


def _use(pod: Pod, *, removed: bool) -> PodUse:
    found = tuple(claims_of(pod))
    meta = pod.metadata
    return PodUse(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        claims=tuple(use.claim for use in found),
        templates=tuple((use.claim, use.template) for use in found if use.template is not None),
        over=removed or pod.status.phase in ("Succeeded", "Failed") or meta.deletion_timestamp is not None,
    )
