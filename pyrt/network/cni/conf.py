"""One CNI network configuration: JSON text to a typed value (pure).

SPEC 1.1.0, section 1. A plugin's own keys are passed through as they are, so a plugin's object stays the JSON that it
was; everything that means something to a runtime is typed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from pyrt.network.cni.errors import ConfigurationError

Json: TypeAlias = dict[str, Any]

Version: TypeAlias = tuple[int, int, int]
NEWEST: Final[Version] = (1, 1, 0)
CHECK_SINCE: Final[Version] = (0, 4, 0)
"""Also: DEL is given the result of ADD."""
STATUS_SINCE: Final[Version] = (1, 1, 0)
"""Also: GC."""
_UNWRITTEN: Final[Version] = (0, 1, 0)
"""What no ``cniVersion`` means."""

NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
"""Of networks and containers."""
_VERSION: Final = re.compile(r"(0|[1-9][0-9]{0,5})(?:\.(0|[1-9][0-9]{0,5}))?(?:\.(0|[1-9][0-9]{0,5}))?")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One link of the chain."""

    type: str
    """The name of its executable."""
    capabilities: frozenset[str]
    """What of the runtime's arguments it wants to have."""
    body: Json
    """Its whole object."""


@dataclass(frozen=True, slots=True)
class Conf:
    """A network: plugins, one after the other."""

    name: str
    versions: tuple[Version, ...]
    """Those that it offers and pyrt speaks, the newest first; never empty."""
    plugins: tuple[Plugin, ...]
    disable_check: bool = False
    disable_gc: bool = False
    only_inlined: bool = True
    """Plugins in a directory beside the file, named like the network, do not count."""
    source: str = ""
    """The file, for people."""
    version: Version = field(default=NEWEST)
    """The one that is spoken."""

    def at(self, version: Version) -> Conf:
        """The same, spoken in another of its versions."""
        return replace(self, version=version)

    def with_plugins(self, more: tuple[Plugin, ...]) -> Conf:
        """The same with more links at the end of the chain."""
        return replace(self, plugins=(*self.plugins, *more))

    def text(self) -> str:
        """What :func:`parse` makes this of again, with every plugin inlined and the version decided."""
        return json.dumps(
            {
                "name": self.name,
                "cniVersion": version_text(self.version),
                "disableCheck": self.disable_check,
                "disableGC": self.disable_gc,
                "loadOnlyInlinedPlugins": True,
                "plugins": [plugin.body for plugin in self.plugins],
            }
        )


def version_text(version: Version) -> str:
    """``1.1.0``."""
    return ".".join(map(str, version))


def parse_version(text: str) -> Version:
    """Up to three numbers. Raises ValueError."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a version such as 1.0.0, got {text!r}")
    major, minor, micro = (int(part or 0) for part in match.groups())
    return major, minor, micro


def parse(text: str | bytes, source: str, *, is_list: bool = True) -> Conf:
    """A ``.conflist``, or with ``is_list`` false the one plugin of a ``.conf``.

    Plugins may still be missing when ``only_inlined`` is false. Raises :class:`ConfigurationError`.
    """
    try:
        document = _object(_load(text), "the configuration")
        if not is_list:
            if "plugins" in document:
                raise ValueError("plugins: only in a file whose name ends in .conflist")
            return _conf({**document, "plugins": [document], "loadOnlyInlinedPlugins": True}, source)
        return _conf(document, source)
    except ValueError as error:
        raise ConfigurationError(str(error), subject=f"CNI configuration {source}") from error


def parse_plugin(text: str | bytes, source: str) -> Plugin:
    """A file of the directory beside a configuration. Raises :class:`ConfigurationError`."""
    try:
        return _plugin(_load(text), "plugin")
    except ValueError as error:
        raise ConfigurationError(str(error), subject=f"CNI configuration {source}") from error


def _load(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 text: {error}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error}") from error


def _conf(document: Json, source: str) -> Conf:
    name = document.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"name: expected letters, digits, '_', '.' and '-', got {name!r}")
    versions = _versions(document)
    only_inlined = _flag(document, "loadOnlyInlinedPlugins")
    plugins = document.get("plugins")
    if plugins is None:
        if only_inlined:
            raise ValueError("plugins: expected some, as loadOnlyInlinedPlugins is true")
        plugins = []
    elif not isinstance(plugins, list) or not plugins:
        raise ValueError("plugins: expected a list of at least one")
    return Conf(
        name=name,
        versions=versions,
        plugins=tuple(_plugin(value, f"plugins[{index}]") for index, value in enumerate(plugins)),
        disable_check=_flag(document, "disableCheck"),
        disable_gc=_flag(document, "disableGC"),
        only_inlined=only_inlined,
        source=source,
        version=versions[0],
    )


def _versions(document: Json) -> tuple[Version, ...]:
    offered: list[object] = []
    if "cniVersions" in document:
        several = document["cniVersions"]
        if not isinstance(several, list):
            raise ValueError("cniVersions: expected a list")
        offered += several
    single = document.get("cniVersion")
    if single not in (None, ""):
        offered.append(single)
    if not offered:
        return (_UNWRITTEN,)
    found = set()
    for text in offered:
        if not isinstance(text, str):
            raise ValueError(f"cniVersion: expected a version such as 1.0.0, got {text!r}")
        found.add(parse_version(text) if text else _UNWRITTEN)
    spoken = sorted((version for version in found if version <= NEWEST), reverse=True)
    if not spoken:
        raise ValueError(f"cniVersion: expected one up to {version_text(NEWEST)}, got {version_text(min(found))}")
    return tuple(spoken)


def _flag(document: Json, key: str) -> bool:
    """Also as a string, as other runtimes take it."""
    value = document.get(key, False)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError(f"{key}: expected true or false, got {value!r}")
    return value


def _plugin(value: object, where: str) -> Plugin:
    body = _object(value, where)
    kind = body.get("type")
    if not isinstance(kind, str) or not kind or "/" in kind or "\0" in kind or kind in (".", ".."):
        raise ValueError(f"{where}.type: expected the name of a plugin, got {kind!r}")
    capabilities = body.get("capabilities")
    if capabilities is None:
        capabilities = {}
    if not isinstance(capabilities, dict) or not all(isinstance(wanted, bool) for wanted in capabilities.values()):
        raise ValueError(f"{where}.capabilities: expected names with true or false")
    return Plugin(kind, frozenset(name for name, wanted in capabilities.items() if wanted), body)


def _object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object")
    return value
