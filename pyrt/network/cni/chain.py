"""A network's plugins one after the other: ADD, DEL, CHECK, GC, STATUS, VERSION (SPEC 1.1.0, section 3)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pyrt.network.cni.conf import CHECK_SINCE, NEWEST, STATUS_SINCE, Conf, Json, Plugin, Version, version_text
from pyrt.network.cni.errors import UNKNOWN_CONTAINER, CniError, PluginError, PluginMissingError
from pyrt.network.cni.plugin import Outcome, find, run
from pyrt.network.cni.request import Attachment, Command, collection_request, encode, environment, request
from pyrt.network.cni.result import parse_error, parse_result, parse_versions


class Chain:
    """Where plugins are, and how long they may take."""

    def __init__(self, directories: Sequence[Path], seconds: float) -> None:
        self._directories = tuple(directories)
        self._path = ":".join(map(str, directories))
        self._seconds = seconds
        self._versions: dict[tuple[str, int, int], frozenset[Version]] = {}
        """By path, inode and time of change of the executable."""

    async def add(self, conf: Conf, attachment: Attachment) -> Json:
        """The last plugin's result. Raises :class:`CniError`; :meth:`delete` has to follow then."""
        result: Json | None = None
        for plugin in conf.plugins:
            document = request(conf, plugin, attachment, result)
            outcome = await self._run(conf, plugin, Command.ADD, document, attachment)
            try:
                result = parse_result(outcome.output, conf)
            except ValueError as error:
                said = outcome.complaints.decode(errors="replace").strip()
                raise PluginError(
                    f"no result: {error}" + (f"; stderr: {said}" if said else ""),
                    subject=f"CNI network {conf.name}",
                    operation=f"plugin {plugin.type}: ADD",
                ) from error
        assert result is not None
        return result

    async def delete(self, conf: Conf, attachment: Attachment, result: Json | None) -> None:
        """Last plugin first. Raises :class:`CniError` of the plugin that failed, after which the others are not run.

        A plugin that is not there any more is passed over, and :class:`PluginMissingError` raised in the end.
        """
        missing: PluginMissingError | None = None
        previous = result if conf.version >= CHECK_SINCE else None
        for plugin in reversed(conf.plugins):
            try:
                await self._run(conf, plugin, Command.DEL, request(conf, plugin, attachment, previous), attachment)
            except PluginMissingError as error:
                missing = error
            except PluginError as error:
                if not _is_gone(error, attachment):
                    raise
        if missing is not None:
            raise missing

    async def check(self, conf: Conf, attachment: Attachment, result: Json | None) -> None:
        """Raises :class:`CniError` when something is not as ADD had left it.

        Nothing is checked where the network does not want it, or is too old.
        """
        if conf.disable_check or conf.version < CHECK_SINCE:
            return
        for plugin in conf.plugins:
            await self._run(conf, plugin, Command.CHECK, request(conf, plugin, attachment, result), attachment)

    def collects(self, conf: Conf) -> bool:
        """Whether there is a garbage collection for this network."""
        return not conf.disable_gc and conf.version >= STATUS_SINCE

    async def collect(self, conf: Conf, valid: Iterable[tuple[str, str]]) -> list[CniError]:
        """Have every plugin remove what belongs to none of the (container id, interface); what went wrong."""
        valid = tuple(valid)
        errors = []
        for plugin in conf.plugins:
            try:
                await self._run(conf, plugin, Command.GC, collection_request(conf, plugin, valid))
            except CniError as error:
                errors.append(error)
        return errors

    async def status(self, conf: Conf) -> None:
        """Raises :class:`CniError` if a plugin is missing, or says that it cannot serve ADD."""
        for plugin in conf.plugins:
            find(plugin.type, self._directories)
        if conf.version < STATUS_SINCE:
            return
        for plugin in conf.plugins:
            await self._run(conf, plugin, Command.STATUS, request(conf, plugin))

    async def negotiate(self, conf: Conf) -> Conf:
        """The configuration in the newest of its versions that all plugins speak; as it is if there is none, which
        the plugins then say better. Raises :class:`CniError`.
        """
        if len(conf.versions) == 1:
            return conf
        common = set(conf.versions)
        for plugin in conf.plugins:
            common &= await self._spoken(plugin)
        return conf.at(max(common)) if common else conf

    async def _spoken(self, plugin: Plugin) -> frozenset[Version]:
        path = find(plugin.type, self._directories)
        facts = os.stat(path)
        key = (path, facts.st_ino, facts.st_mtime_ns)
        known = self._versions.get(key)
        if known is None:
            # Plugins built with old libraries want these for VERSION as well.
            variables = environment(Command.VERSION, self._path, Attachment("dummy", "dummy", "dummy"))
            outcome = await run(path, encode({"cniVersion": version_text(NEWEST)}), variables, self._seconds)
            try:
                if outcome.status:
                    raise ValueError(parse_error(*outcome)[0])
                known = parse_versions(outcome.output)
            except ValueError as error:
                raise PluginError(str(error), subject=f"CNI plugin {plugin.type}", operation="VERSION") from error
            self._versions[key] = known
        return known

    async def _run(
        self, conf: Conf, plugin: Plugin, command: Command, document: Json, attachment: Attachment | None = None
    ) -> Outcome:
        subject, operation = f"CNI network {conf.name}", f"plugin {plugin.type}: {command.value}"
        path = find(plugin.type, self._directories)
        variables = environment(command, self._path, attachment)
        try:
            outcome = await run(path, encode(document), variables, self._seconds)
        except PluginMissingError:
            raise
        except CniError as error:
            words = f"{operation}: {error.operation}" if error.operation else operation
            raise CniError(error.message, subject=subject, operation=words, errno=error.errno) from error
        if outcome.status != 0:
            words, code = parse_error(*outcome)
            raise PluginError(words, subject=subject, operation=operation, code=code)
        return outcome


def _is_gone(error: PluginError, attachment: Attachment) -> bool:
    """Whether a failed DEL says that there is nothing to take down, as containerd reads it (go-cni, Remove).

    Old plugins are at a loss without the namespace.
    """
    text = error.message
    return (
        error.code == UNKNOWN_CONTAINER
        or "not found" in text
        or (not attachment.netns and "no such file or directory" in text)
    )
