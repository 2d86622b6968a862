"""Keeps the static pods as their sources say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from pyrt.config import Config
from pyrt.controllers.static import sources
from pyrt.controllers.static.errors import SourceError, StaticPodError
from pyrt.controllers.static.manifest import Node, parse
from pyrt.controllers.static.plan import Plan, Wanted, decide, is_static
from pyrt.errors import PyrtError
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod
from pyrt.kube.times import to_text
from pyrt.pods.events import WARNING
from pyrt.pods.facts import node_uid
from pyrt.pods.supervisor import KIND, Supervisor
from pyrt.store import Store
from pyrt.streams.inotify import DirectoryWatch

log = logging.getLogger(__name__)

_SETTLE_SECONDS: Final = 0.1
"""Files that have just changed may not be written whole yet."""
_LONGEST_SETTLE_SECONDS: Final = 1.0
_QUIET_AFTER: Final = 3
"""Failures in a row of the URL that are logged (kubelet, ``config/http.go``)."""

_decoder: Final = msgspec.json.Decoder(Pod)


class _NodeObject(msgspec.Struct):
    """The Node, as events are about it."""

    metadata: ObjectMeta
    api_version: str = "v1"
    kind: str = "Node"


class StaticPodController:
    """Watches the sources, makes static pods and ends them. One event loop."""

    def __init__(self, store: Store, supervisor: Supervisor, config: Config) -> None:
        self._store = store
        self._supervisor = supervisor
        self._directory: Path = config.paths.manifests
        self._settings = config.static_pods
        self._node = Node(supervisor.facts.name, node_uid(supervisor.facts.name))
        self._about = _NodeObject(ObjectMeta(name=self._node.name, uid=self._node.uid))
        self._files: dict[str, tuple[bytes, tuple[Pod, ...]]] = {}
        self._fetched: tuple[bytes, tuple[Pod, ...]] | None = None
        self._known = {"file": False, "http": not self._settings.url}
        self._faults: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._failures = 0
        self._waiting = False
        self._ended = False
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and stop -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Put the objects of the directory's pods into the store if they are not there, before the supervisor starts:
        it takes their containers for its own then, even if the database is new.
        """
        self._read_directory()
        stored = [_decoder.decode(item.data) for item in self._store.objects.list(KIND)[0]] if self._files else []
        for pod in self._decide(stored).create:
            self._create(pod)

    def start(self) -> None:
        """Begin to watch. To be called after the supervisor has started."""
        self._supervisor.on_removed(self._removed)
        self._tasks.append(asyncio.create_task(self._watch(), name="static pods: directory"))
        self._tasks.append(asyncio.create_task(self._apply(), name="static pods"))
        if self._settings.url:
            self._tasks.append(asyncio.create_task(self._poll(), name="static pods: url"))

    async def close(self) -> None:
        """Stop watching; the pods run on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def end_all(self) -> None:
        """Kill the static pods, and make none until the next daemon starts: pyrt is being taken off the machine."""
        self._ended = True
        for pod in self._supervisor.pods():
            item = self._store.objects.find(KIND, pod.metadata.namespace, pod.metadata.name)
            if is_static(pod) and item is not None:
                self._supervisor.delete(item, 0)

    def _removed(self, namespace: str) -> None:
        if self._waiting:
            self._wake.set()

    @property
    def faults(self) -> Mapping[str, str]:
        """What is wrong, by file or URL."""
        return self._told

    # --- the sources --------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            try:
                with DirectoryWatch(self._directory) as watch:
                    watched = self._directory.stat()
                    await self._look()
                    # A directory that was removed and made again is another one, which this watch knows nothing of.
                    while os.path.samestat(self._directory.stat(), watched):
                        await self._changed(watch)
                        await self._look()
            except OSError:
                await self._look()
                await self._appearance()

    async def _appearance(self) -> None:
        """There is no such directory: wait until something happens where it would be made, or for the interval."""
        above = next(path for path in self._directory.parents if path.is_dir())
        try:
            with contextlib.suppress(TimeoutError), DirectoryWatch(above) as watch:
                if self._directory.is_dir():
                    return  # it came before we watched
                async with asyncio.timeout(self._settings.interval_seconds):
                    await watch.changed.wait()
        except OSError:  # no inotify left: looking now and then will do
            await asyncio.sleep(self._settings.interval_seconds)

    async def _changed(self, watch: DirectoryWatch) -> None:
        """Wait until the directory changes, and has been left alone for a moment; or for the interval."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.interval_seconds):
                await watch.changed.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_SETTLE_SECONDS):
                while watch.changed.is_set():
                    watch.changed.clear()
                    await asyncio.sleep(_SETTLE_SECONDS)

    async def _look(self) -> None:
        texts = await asyncio.to_thread(self._texts)
        if texts is not None:
            self._take(texts)
            self._wake.set()

    def _texts(self) -> dict[str, bytes | OSError] | None:
        try:
            return sources.read_directory(self._directory)
        except SourceError as error:
            self._faults[str(self._directory)] = str(error)
            return None

    def _read_directory(self) -> None:
        texts = self._texts()
        if texts is not None:
            self._take(texts)

    def _take(self, texts: dict[str, bytes | OSError]) -> None:
        """Make pods of the files; one that has not changed is not read again."""
        self._known["file"] = True
        for origin in [*self._faults]:
            if not (self._settings.url and origin == self._settings.url):
                del self._faults[origin]
        before, self._files = self._files, {}
        for path, text in texts.items():
            known = before.get(path)
            if isinstance(text, OSError):
                self._faults[path] = f"cannot be read: {text.strerror}"
            elif known is not None and known[0] == text:
                self._files[path] = known
                continue
            else:
                try:
                    self._files[path] = (text, self._parse(text, "file", path))
                    continue
                except StaticPodError as error:
                    self._faults[path] = error.message
            if known is not None:
                self._files[path] = known  # what it said before holds until it says something better

    def _parse(self, text: bytes, kind: str, origin: str) -> tuple[Pod, ...]:
        return tuple(parse(text, kind=kind, origin=origin, node=self._node, seen=to_text(time.time_ns())))

    async def _poll(self) -> None:
        url = self._settings.url
        while True:
            try:
                text = await sources.fetch(url, self._settings.headers)
                if self._fetched is None or self._fetched[0] != text or url in self._faults:
                    self._fetched = (text, self._parse(text, "http", url) if text.strip() else ())
                self._known["http"], self._failures = True, 0
                self._faults.pop(url, None)
            except StaticPodError as error:
                self._faults[url] = error.message
            except SourceError as error:
                self._failures += 1
                self._faults[url] = error.message
                level = logging.WARNING if self._failures <= _QUIET_AFTER else logging.DEBUG
                log.log(level, "static pods: %s", error)
            self._wake.set()
            await asyncio.sleep(self._settings.interval_seconds)

    # --- the pods -----------------------------------------------------------------------------------------------------

    async def _apply(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._ended:
                return
            plan = self._decide(self._supervisor.pods())
            self._waiting = plan.waiting
            try:
                for pod in plan.end:
                    item = self._store.objects.find(KIND, pod.metadata.namespace, pod.metadata.name)
                    if item is not None:
                        self._supervisor.delete(item, None)
                for pod in plan.create:
                    if self._supervisor.clearing(pod.metadata.uid):
                        asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._wake.set)
                    else:
                        self._supervisor.created(self._create(pod))
            except PyrtError as error:
                log.error("static pods: %s", error)
                asyncio.get_running_loop().call_later(self._settings.interval_seconds, self._wake.set)

    def _decide(self, present: list[Pod]) -> Plan:
        wanted = {path: pods for path, (_, pods) in self._files.items()}
        if self._settings.url and self._fetched is not None:
            wanted[self._settings.url] = self._fetched[1]
        unknown = frozenset(kind for kind, known in self._known.items() if not known)
        plan = decide(Wanted(wanted, frozenset(self._faults), unknown), present)
        self._tell({**self._faults, **plan.errors})
        return plan

    def _create(self, pod: Pod) -> Pod:
        """A copy goes into the store: the supervisor's pod changes, ours is what the source says."""
        pod = _decoder.decode(msgspec.json.encode(pod))
        meta = pod.metadata

        def encoded(version: int) -> bytes:
            meta.resource_version = str(version)
            return msgspec.json.encode(pod)

        self._store.objects.create(KIND, meta.namespace, meta.name, meta.uid, encoded, durable=False)
        return pod

    def _tell(self, errors: dict[str, str]) -> None:
        """One line in the log and one event on the node for each thing that is wrong, not for each look at it."""
        for origin, text in errors.items():
            if self._told.get(origin) != text:
                log.error("static pods: %s: %s", origin, text)
                self._supervisor.events.emit(self._about, WARNING, "FailedStaticPod", f"{origin}: {text}")
        for origin in self._told.keys() - errors.keys():
            log.info("static pods: %s: in order again", origin)
        self._told = errors
