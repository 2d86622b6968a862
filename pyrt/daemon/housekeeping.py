"""What the node does for itself: evictions when it runs short, and removal of images when their file system fills."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from pyrt.config import Config
from pyrt.errors import PyrtError
from pyrt.ids import ImageId
from pyrt.images.collection import EVERY_SECONDS, ImageCollector
from pyrt.images.service import ImageService
from pyrt.pods.events import WARNING
from pyrt.pods.eviction.watch import EvictionWatch
from pyrt.pods.supervisor import Supervisor

log = logging.getLogger(__name__)


class Housekeeping:
    """Runs beside the supervisor as long as the daemon."""

    def __init__(
        self,
        config: Config,
        supervisor: Supervisor,
        images: ImageService,
        in_use: Callable[[], Collection[ImageId]],
    ) -> None:
        self._supervisor = supervisor
        self._collector = ImageCollector(images, config.images, config.paths.root, in_use)
        self._watch = EvictionWatch(
            config.eviction,
            config.paths.root,
            supervisor.conditions,
            supervisor.residents,
            self._collector.remove_unused,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._supervisor.admission.pressure = self._watch.refuse
        self._watch.start()
        self._task = asyncio.create_task(self._collect(), name="image collection")

    async def close(self) -> None:
        """Stop."""
        await self._watch.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _collect(self) -> None:
        while True:
            try:
                complaint = await self._collector.collect(time.time_ns())
            except (PyrtError, OSError) as error:
                complaint = str(error)
            if complaint:
                log.warning("images: %s", complaint)
                self._supervisor.conditions.tell(WARNING, "FreeDiskSpaceFailed", complaint)
            await asyncio.sleep(EVERY_SECONDS)
