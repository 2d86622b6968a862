"""Where the configuration file and the API socket are, found without importing anything heavy.

The command line calls :func:`api_socket` on every start, so a missing or socket-less file costs one ``open``; the TOML
parser is imported only when the file says something about a socket or the run directory.
"""

from __future__ import annotations

import os

from pyrt.config.errors import ConfigError

DEFAULT_CONFIG_FILE = "/etc/pyrt/config.toml"
DEFAULT_RUN = "/run/pyrt"
DEFAULT_SOCKET = DEFAULT_RUN + "/pyrt.sock"
SOCKET_NAME = "pyrt.sock"
CRI_SOCKET_NAME = "cri.sock"


def config_file(explicit: str | None = None) -> str:
    """The file in force: ``--config``, else ``$PYRT_CONFIG``, else ``/etc/pyrt/config.toml``."""
    return explicit or os.environ.get("PYRT_CONFIG") or DEFAULT_CONFIG_FILE


def api_socket(config: str | None = None) -> str:
    """The path of the API socket of the daemon that a file configures.

    ``$PYRT_SOCKET`` overrides everything but an explicit ``config``. A missing file means the defaults, unless it was
    named on purpose. Raises :class:`ConfigError` for a file that cannot be read or parsed.
    """
    if config is None and (override := os.environ.get("PYRT_SOCKET")):
        return override
    path = config_file(config)
    try:
        with open(path, "rb") as stream:
            text = stream.read()
    except FileNotFoundError as error:
        if path == DEFAULT_CONFIG_FILE:
            return DEFAULT_SOCKET
        raise ConfigError(file=path, errno=error.errno) from error
    except OSError as error:
        raise ConfigError(file=path, errno=error.errno) from error
    if b"socket" not in text and b"run" not in text:
        return DEFAULT_SOCKET

    import tomllib

    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid TOML: {error}", file=path) from error
    socket = _string(document, "api", "socket", path)
    if socket:
        return socket
    run = _string(document, "paths", "run", path)
    return os.path.join(run, SOCKET_NAME) if run else DEFAULT_SOCKET


def _string(document: dict[str, object], section: str, key: str, file: str) -> str:
    table = document.get(section, {})
    value = table.get(key, "") if isinstance(table, dict) else table
    if not isinstance(value, str):
        raise ConfigError("expected a string", file=file, key=f"{section}.{key}")
    return value
