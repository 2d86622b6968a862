"""Tells when an object that pods refer to changes: at once, where the kubelet looks again every minute or so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from pyrt.kube.pod import Pod
from pyrt.kube.referring import references
from pyrt.store import Gone, Store


class ObjectWatch:
    """Follows the objects of some kinds. One event loop.

    Nothing is kept of which pod refers to what: objects change rarely, pods are made often.
    """

    def __init__(self, store: Store, kinds: Iterable[str], changed: Callable[[str, str, str | None], None]) -> None:
        """``changed`` is called with kind, namespace and name; the name is ``None`` if it may have been any."""
        self._store = store
        self._kinds = tuple(kinds)
        self._changed = changed
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, with what changes from now on."""
        self._tasks = [asyncio.create_task(self._follow(kind), name=f"watch {kind}") for kind in self._kinds]

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, kind: str) -> None:
        while True:
            with self._store.objects.watch(kind) as watch, contextlib.suppress(Gone):
                async for change in watch:
                    self._changed(kind, change.object.namespace, change.object.name)
            # More has changed than is kept.
            self._changed(kind, "", None)


def concerns(pod: Pod, kind: str, namespace: str, name: str | None) -> bool:
    """Whether a change of an object is news to a pod."""
    if name is None:
        return any(reference.kind == kind for reference in references(pod))
    return pod.metadata.namespace == namespace and any(
        reference.object == (kind, name) for reference in references(pod)
    )
