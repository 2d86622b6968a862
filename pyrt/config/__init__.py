"""The typed configuration file: one TOML file, every key with a default.

``load_config`` and ``Config`` need msgspec; ``api_socket``, which is all that the command line wants to know, needs
nothing. Names are therefore resolved on first use (PEP 562), so that ``pyrt get pods`` does not pay for the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyrt.config.errors import ConfigError
    from pyrt.config.instance import for_instance
    from pyrt.config.load import default_config, dump_config, load_config, parse_config
    from pyrt.config.location import DEFAULT_CONFIG_FILE, DEFAULT_SOCKET, api_socket, config_file
    from pyrt.config.schema import Config
    from pyrt.config.section import Bytes

__all__ = [
    "DEFAULT_CONFIG_FILE",
    "DEFAULT_SOCKET",
    "Bytes",
    "Config",
    "ConfigError",
    "api_socket",
    "config_file",
    "default_config",
    "dump_config",
    "for_instance",
    "load_config",
    "parse_config",
]

_HOME = {
    "DEFAULT_CONFIG_FILE": "location",
    "DEFAULT_SOCKET": "location",
    "Bytes": "section",
    "Config": "schema",
    "ConfigError": "errors",
    "api_socket": "location",
    "config_file": "location",
    "default_config": "load",
    "dump_config": "load",
    "for_instance": "instance",
    "load_config": "load",
    "parse_config": "load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
