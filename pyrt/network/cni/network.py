"""CNI networks of one daemon: what the runtime and the CRI door call.

A sandbox's life here: :meth:`CniNetwork.add` when its network namespace exists, :meth:`CniNetwork.delete` when its
processes are gone, and :meth:`CniNetwork.recover` once per daemon. What could not be taken down is tried again and
again, by this daemon and the next ones, until it is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Collection, Coroutine
from contextlib import suppress

from pyrt.config import Config
from pyrt.errors import PyrtError
from pyrt.ids import SandboxId
from pyrt.network.cni import namespaces
from pyrt.network.cni.capabilities import Pod, arguments, capabilities
from pyrt.network.cni.chain import Chain
from pyrt.network.cni.conf import Conf, Json, version_text
from pyrt.network.cni.directory import ConfDirectory
from pyrt.network.cni.errors import CniError, ConfigurationError, PluginMissingError
from pyrt.network.cni.exclusion import Exclusion
from pyrt.network.cni.plugin import strays
from pyrt.network.cni.records import Attached, Record, Records
from pyrt.network.cni.result import addresses, preferred
from pyrt.network.cni.status import NOT_READY, NetworkStatus
from pyrt.network.cni.template import write_configuration
from pyrt.store import Store, StoreError

log = logging.getLogger(__name__)

INTERFACE = "eth0"
"""Of the first network; the second's is eth1."""
_FIRST_RETRY, _LAST_RETRY = 1.0, 300.0
"""Seconds."""
_AT_ONCE = 4
"""Sandboxes that are taken down without anybody waiting: after a reboot there may be hundreds."""
_STRAY_SECONDS = 5.0
"""For processes that have been sent SIGKILL."""


class CniNetwork:
    """One event loop; every method may be called concurrently. Errors are :class:`CniError`, and StoreError."""

    def __init__(self, config: Config, store: Store) -> None:
        """Nothing is touched before :meth:`start`."""
        self._config = config.cni
        self._prefix = f"{config.network.interface_prefix}-"
        self._directory = ConfDirectory(self._config.conf_dir, self._config.max_conf_num)
        self._chain = Chain(self._config.bin_dirs, self._config.plugin_timeout_seconds)
        self._records = Records(store)
        self._exclusion = Exclusion()
        self._timers: dict[SandboxId, asyncio.TimerHandle] = {}
        """When what could not be taken down is tried again."""
        self._delays: dict[SandboxId, float] = {}
        """Seconds to wait after the next failure."""
        self._attempts: dict[SandboxId, asyncio.Task[PyrtError | None]] = {}
        """DEL, while it is under way."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._background = asyncio.Semaphore(_AT_ONCE)
        self._closed = False

    def start(self) -> None:
        """Read what an earlier daemon has left."""
        self._records.load()

    def close(self) -> None:
        """Try nothing any more; what is under way is broken off, and its plugins are killed."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in (*self._tasks, *self._attempts.values()):
            task.cancel()

    # ------------------------------------------------------------------ which network

    def serves(self) -> bool:
        """Whether a sandbox made at this moment gets its network from plugins; otherwise it gets pyrt's own.

        Raises :class:`ConfigurationError` if it can have neither.
        """
        if self._config.mode == "never":
            return False
        if self._directory.load():
            return True
        if self._config.mode == "always":
            raise ConfigurationError("no CNI configuration", subject=str(self._config.conf_dir))
        return False

    async def status(self) -> NetworkStatus:
        """The condition NetworkReady, as it is now: the configuration is looked at, plugins are asked (STATUS)."""
        try:
            if self.serves():
                for conf in self._directory.load():
                    await self._chain.status(await self._chain.negotiate(conf))
        except CniError as error:
            return NetworkStatus(False, NOT_READY, str(error))
        return NetworkStatus(True)

    def describe(self) -> Json:
        """The configuration in use, for a verbose status."""
        described: Json = {
            "mode": self._config.mode,
            "pluginDirs": [str(directory) for directory in self._config.bin_dirs],
            "pluginConfDir": str(self._config.conf_dir),
            "pluginMaxConfNum": self._config.max_conf_num,
            "lastLoadStatus": "OK",
            "networks": [],
        }
        try:
            confs = self._directory.load()
        except ConfigurationError as error:
            return {**described, "lastLoadStatus": str(error)}
        networks = [
            {
                "name": conf.name,
                "cniVersion": version_text(conf.version),
                "ifName": f"eth{index}",
                "source": conf.source,
                "plugins": [plugin.body for plugin in conf.plugins],
            }
            for index, conf in enumerate(confs)
        ]
        return {**described, "networks": networks}

    def set_pod_cidrs(self, cidrs: Collection[str]) -> None:
        """What the kubelet tells of the node's addresses (CRI ``UpdateRuntimeConfig``).

        With a template, and while there is no configuration, one is written from it. pyrt's own network keeps to its
        configured ranges. Raises :class:`CniError`.
        """
        if not cidrs or self._config.mode == "never":
            return
        template = self._config.conf_template
        if template is None:
            log.info("pod CIDR %s: there is no cni.conf_template to fill in", ",".join(cidrs))
            return
        with suppress(ConfigurationError):
            if self._directory.load():
                return
        write_configuration(template, self._config.conf_dir, tuple(cidrs))

    # ------------------------------------------------------------------ sandboxes

    def knows(self, sandbox_id: SandboxId) -> bool:
        """Whether something of this sandbox has still to be taken down."""
        return sandbox_id in self._records.all

    def results(self, sandbox_id: SandboxId) -> dict[str, Json]:
        """What the plugins answered to ADD, by interface; for a verbose status."""
        record = self._records.all.get(sandbox_id)
        attached = record.attached if record is not None else []
        return {one.interface: one.parsed_result() or {} for one in attached}

    def netns(self, sandbox_id: SandboxId) -> str:
        """The file that keeps the sandbox's network namespace; empty when there is none."""
        record = self._records.all.get(sandbox_id)
        return record.netns if record is not None and namespaces.is_kept(record.netns) else ""

    async def add(self, sandbox_id: SandboxId, pod: Pod, pid: int) -> tuple[str, ...]:
        """Attach the network namespace of process ``pid``; its addresses on eth0, the preferred one first.

        When this fails or is cancelled, :meth:`delete` has to follow.
        """
        async with self._exclusion.sandbox(sandbox_id):
            confs = self._directory.load()
            if not confs:
                raise ConfigurationError("no CNI configuration", subject=str(self._config.conf_dir))
            given, asked = arguments(pod, sandbox_id), capabilities(pod)
            record = Record(id=sandbox_id, netns=str(self._config.netns_dir / f"{self._prefix}{sandbox_id}"))
            self._records.put(record)
            namespaces.keep(pid, record.netns)
            found: list[str] = []
            for index, conf in enumerate(confs):
                spoken = await self._chain.negotiate(conf)
                attached = Attached(conf=spoken.text(), interface=f"eth{index}", arguments=given, capabilities=asked)
                record.attached.append(attached)
                self._records.put(record)
                result = await self._chain.add(spoken, attached.attachment(sandbox_id, record.netns))
                attached.result = json.dumps(result)
                self._records.put(record)
                found += addresses(result, INTERFACE)
            if not found:
                raise CniError(f"no address on {INTERFACE} in the result", subject=f"CNI network {confs[0].name}")
            return preferred(found, self._config.ip_preference)

    async def delete(self, sandbox_id: SandboxId) -> None:
        """Take everything of a sandbox down; nothing happens when that is done already.

        Raises :class:`CniError` when a plugin fails. It will be tried again by itself, and the caller may. A plugin
        that is not there any more is no failure: the sandbox can go, and the rest is done when the plugin is back.
        """
        if sandbox_id not in self._records.all:
            return
        attempt = self._attempts.get(sandbox_id)
        if attempt is None:
            attempt = self._attempts[sandbox_id] = asyncio.get_running_loop().create_task(self._attempt(sandbox_id))
        # A caller that gives up breaks nothing off: the next one joins in.
        error = await asyncio.shield(attempt)
        if error is not None:
            raise error

    def delete_soon(self, sandbox_id: SandboxId) -> None:
        """The same in the background: for a sandbox that has died without being asked to."""
        self._try(sandbox_id, 0.0)

    async def _attempt(self, sandbox_id: SandboxId) -> PyrtError | None:
        self._cancel_timer(sandbox_id)
        try:
            await self._delete(sandbox_id)
        except PluginMissingError as error:
            log.warning("network of sandbox %s: %s; going on without", sandbox_id[:13], error)
            self._try_later(sandbox_id)
        except (CniError, StoreError) as error:
            self._try_later(sandbox_id)
            return error
        finally:
            del self._attempts[sandbox_id]
        return None

    async def _delete(self, sandbox_id: SandboxId) -> None:
        async with self._exclusion.sandbox(sandbox_id):
            record = self._records.all.get(sandbox_id)
            if record is None:
                return
            record.leaving = True
            self._records.put(record)
            netns = record.netns if namespaces.is_kept(record.netns) else ""
            missing: PluginMissingError | None = None
            for attached in reversed(record.attached):
                try:
                    await self._chain.delete(
                        attached.network(), attached.attachment(sandbox_id, netns), attached.parsed_result()
                    )
                except PluginMissingError as error:
                    missing = error
            namespaces.drop(record.netns)
            if missing is not None:
                raise missing
            self._records.delete(sandbox_id)
            self._cancel_timer(sandbox_id)
            self._delays.pop(sandbox_id, None)

    def _try_later(self, sandbox_id: SandboxId) -> None:
        self._try(sandbox_id, self._delays.get(sandbox_id, _FIRST_RETRY))

    def _try(self, sandbox_id: SandboxId, delay: float) -> None:
        if self._closed or sandbox_id not in self._records.all:
            return
        self._cancel_timer(sandbox_id)
        loop = asyncio.get_running_loop()
        self._timers[sandbox_id] = loop.call_later(delay, lambda: self._begin(self._again(sandbox_id)))

    def _cancel_timer(self, sandbox_id: SandboxId) -> None:
        timer = self._timers.pop(sandbox_id, None)
        if timer is not None:
            timer.cancel()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, sandbox_id: SandboxId) -> None:
        async with self._background:
            self._delays[sandbox_id] = min(2 * self._delays.get(sandbox_id, _FIRST_RETRY), _LAST_RETRY)
            try:
                await self.delete(sandbox_id)
            except (CniError, StoreError) as error:
                log.warning("network of sandbox %s is not taken down yet: %s", sandbox_id[:13], error)

    async def check(self, sandbox_id: SandboxId) -> None:
        """Ask the plugins whether everything is as ADD had left it (CHECK). Raises :class:`CniError` if not."""
        async with self._exclusion.sandbox(sandbox_id):
            record = self._records.all.get(sandbox_id)
            if record is None or record.leaving:
                raise CniError("not attached to any network", subject=f"sandbox {sandbox_id[:13]}")
            for attached in record.attached:
                await self._chain.check(
                    attached.network(), attached.attachment(sandbox_id, record.netns), attached.parsed_result()
                )

    # ------------------------------------------------------------------ the node

    async def end_strays(self, live: Collection[SandboxId]) -> None:
        """Kill plugins that an earlier daemon has left running for any sandbox but these, so that none of them comes
        after its DEL.
        """
        dead = {str(sandbox_id) for sandbox_id in self._records.all if sandbox_id not in live}
        deadline = time.monotonic() + _STRAY_SECONDS
        while dead and (pids := strays(dead)) and time.monotonic() < deadline:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.01)

    def recover(self, live: Collection[SandboxId]) -> None:
        """Take down, in the background, what belongs to none of these sandboxes; then have the plugins tidy up (GC)."""
        dead = [record for sandbox_id, record in self._records.all.items() if sandbox_id not in live]
        for record in dead:
            record.leaving = True
        for name, path in namespaces.kept_by(self._config.netns_dir, self._prefix).items():
            if SandboxId(name) not in self._records.all:
                log.warning("%s belongs to no sandbox: removing it", path)
                namespaces.drop(path)
        self._begin(self._tidy([record.id for record in dead]))

    async def _tidy(self, dead: Collection[SandboxId]) -> None:
        # GC is no substitute for DEL (SPEC, GC): what cannot be taken down meanwhile is tried again after it.
        await asyncio.gather(*map(self._again, dead))
        await self.collect()

    async def collect(self) -> None:
        """Have the plugins of every network forget whatever belongs to no sandbox of ours (GC)."""
        if self._config.mode == "never":
            return
        try:
            confs = [await self._chain.negotiate(conf) for conf in self._directory.load()]
        except CniError as error:
            log.warning("no garbage collection of networks: %s", error)
            return
        confs = [conf for conf in confs if self._chain.collects(conf)]
        if not confs:
            return
        async with self._exclusion.alone():
            for conf in confs:
                for failure in await self._chain.collect(conf, self._valid(conf)):
                    log.warning("garbage collection: %s", failure)

    def _valid(self, conf: Conf) -> list[tuple[str, str]]:
        return [
            (record.id, attached.interface)
            for record in self._records.all.values()
            if not record.leaving
            for attached in record.attached
            if attached.network().name == conf.name
        ]

    async def uninstall(self) -> None:
        """Take down every sandbox's networks, for a machine that is to forget pyrt. Raises :class:`CniError`, having
        let go of all namespaces.
        """
        errors: list[CniError] = []
        for sandbox_id, record in list(self._records.all.items()):
            try:
                await self._delete(sandbox_id)
            except CniError as error:
                errors.append(error)
                namespaces.drop(record.netns)
        for path in namespaces.kept_by(self._config.netns_dir, self._prefix).values():
            namespaces.drop(path)
        if errors:
            raise errors[0]
