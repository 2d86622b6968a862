"""What the node does for itself: evictions when it runs short, removal of images when their file system fills, and
compression of rotated logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from pyrt.config import Config
from pyrt.errors import PyrtError
from pyrt.ids import ImageId
from pyrt.images.collection import EVERY_SECONDS, ImageCollector
from pyrt.images.service import ImageService
from pyrt.pods.events import WARNING
from pyrt.pods.eviction.watch import EvictionWatch
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime import Runtime
from pyrt.runtime.config import Owner
from pyrt.streams.compression import compress

log = logging.getLogger(__name__)

_COMPRESS_SECONDS: Final = 60


class Housekeeping:
    """Runs beside the supervisor as long as the daemon."""

    def __init__(
        self,
        config: Config,
        supervisor: Supervisor,
        runtime: Runtime,
        images: ImageService,
        in_use: Callable[[], Collection[ImageId]],
    ) -> None:
        self._supervisor = supervisor
        self._collector = ImageCollector(images, config.images, config.paths.root, in_use, kubelet=config.cri.enabled)
        self._watch = EvictionWatch(
            config.eviction,
            config.paths.root,
            supervisor.conditions,
            supervisor.residents,
            self._collector.remove_unused,
        )
        self._runtime = runtime
        self._compress = config.logs.compress
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._supervisor.admission.pressure = self._watch.refuse
        self._watch.start()
        self._tasks.append(asyncio.create_task(self._collect(), name="image collection"))
        if self._compress:
            self._tasks.append(asyncio.create_task(self._compress_logs(), name="log compression"))

    async def close(self) -> None:
        """Stop."""
        await self._watch.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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

    async def _compress_logs(self) -> None:
        while True:
            await asyncio.sleep(_COMPRESS_SECONDS)
            logs = []
            for status in self._runtime.list_containers(owner=Owner.API):  # a kubelet does it for its own
                with contextlib.suppress(PyrtError):  # it has just gone
                    sandbox = self._runtime.sandbox_status(status.sandbox_id)
                    logs.append(sandbox.config.log_directory / status.config.log_path)
            await asyncio.to_thread(_compress_all, logs)


def _compress_all(logs: list[Path]) -> None:
    for path in logs:
        try:
            compress(path)
        except FileNotFoundError:
            continue  # the pod has gone
        except OSError as error:
            log.warning("logs: %s: cannot be compressed: %s", path, error.strerror)
