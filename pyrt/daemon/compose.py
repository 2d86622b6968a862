"""The composition root: what depends on what, in the order in which it is started; stopped in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import time
from pathlib import Path

from pyrt.api.app import Parts, build
from pyrt.api.server import ApiServer
from pyrt.config import Config
from pyrt.controllers.static import StaticPodController
from pyrt.controllers.storage import StorageController
from pyrt.daemon import listen
from pyrt.daemon.confinement import require_namespace_root
from pyrt.daemon.errors import DaemonError
from pyrt.daemon.housekeeping import Housekeeping
from pyrt.daemon.memory import give_back
from pyrt.ids import ImageId
from pyrt.images.service import ImageService
from pyrt.pods.facts import gather
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime import Runtime
from pyrt.store import Store

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 2.0
"""How long connections may take to end."""


class Daemon:
    """One running instance. ``async with Daemon(config)`` serves until the block is left; pods run on."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.supervisor: Supervisor
        self.runtime: Runtime
        self.images: ImageService
        self.store: Store
        self._api: ApiServer | None = None
        self._undo = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Daemon:
        try:
            await self._start()
        except BaseException:
            await self._undo.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._api is not None:
            self._api.stop()
        await self._undo.aclose()

    async def _start(self) -> None:
        begun = time.monotonic()
        config, undo = self.config, self._undo
        require_namespace_root()
        _make_directories(config)
        # First of all: its lock makes this the only daemon of the root directory.
        self.store = undo.enter_context(Store(config.paths.root))
        self.runtime = Runtime(config, self.store)
        undo.push_async_callback(self.runtime.close)
        self.images = ImageService(config.paths.root, config.images, self.store, in_use=self._images_in_use)
        undo.push_async_callback(self.images.close)
        await self.images.start()
        await self.runtime.recover()
        self.supervisor = Supervisor(self.store, self.runtime, self.images, gather(config))
        undo.push_async_callback(self.supervisor.close)
        storage = StorageController(self.store, self.supervisor, config.paths.root)
        undo.push_async_callback(storage.close)
        static = StaticPodController(self.store, self.supervisor, config)
        undo.push_async_callback(static.close)
        static.prepare()
        scratch = config.paths.root / "tmp"
        _clear(scratch)
        self._api = build(
            Parts(config, self.store, self.runtime, self.images, self.supervisor, storage, scratch, static)
        )
        housekeeping = Housekeeping(config, self.supervisor, self.runtime, self.images, self._images_in_use)
        undo.push_async_callback(housekeeping.close)
        self.supervisor.start()
        housekeeping.start()
        storage.start()
        static.start()
        await self._listen(self._api)
        await self._open_cri()
        give_back()
        log.info(
            "serving %s: %d pods, %d images, ready in %.0f ms",
            config.api_socket,
            len(self.supervisor.pods()),
            len(self.images.list()),
            (time.monotonic() - begun) * 1000,
        )

    async def _open_cri(self) -> None:
        if not self.config.cri.enabled:
            return
        # Imported now: gRPC weighs several MiB and 0.1 s, for those alone who use it.
        from pyrt.cri.server import CriServer
        from pyrt.cri.server import Parts as CriParts

        server = CriServer(CriParts(self.config, self.store, self.runtime, self.images))
        await server.start()
        self._undo.push_async_callback(server.stop)

    def _images_in_use(self) -> set[ImageId]:
        return self.runtime.images_in_use()

    async def _listen(self, api: ApiServer) -> None:
        config = self.config
        handler = api.server()
        self._undo.push_async_callback(handler.shutdown, SHUTDOWN_SECONDS)
        sock = listen.activated_socket(config.api_socket, dict(os.environ))
        if sock is None:
            sock = listen.listen(config.api_socket, config.api.mode)
            self._undo.callback(listen.forget, config.api_socket, sock)
        server = await asyncio.get_running_loop().create_unix_server(handler, sock=sock, backlog=512)
        self._undo.callback(server.close)


def _make_directories(config: Config) -> None:
    """What has to exist before anything else; /run is empty after a boot, and /var may be new."""
    paths = config.paths
    for path, mode in ((paths.root, 0o700), (paths.run, 0o711), (paths.logs, 0o755), (paths.root / "pods", 0o711)):
        try:
            path.mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise DaemonError(subject=f"directory {path}", operation="create", errno=error.errno) from error
    _close_to_others(paths.root)


def _close_to_others(root: Path) -> None:
    """Whoever may enter the root directory could run the set-user-ID programs of any image, which belong to the
    host's root, and read what containers leave for everyone to read (CVE-2021-41091, CVE-2024-25621).
    """
    try:
        mode = stat.S_IMODE(root.stat().st_mode)
        if mode & 0o077:
            log.warning("directory %s: mode %04o, made 0700", root, mode)
            root.chmod(0o700)
    except OSError as error:
        raise DaemonError(subject=f"directory {root}", operation="chmod", errno=error.errno) from error


def _clear(directory: Path) -> None:
    """A directory for files that do not outlive a daemon."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for entry in directory.iterdir():
        entry.unlink(missing_ok=True)
