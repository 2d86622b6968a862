"""What goes wrong with a configuration file."""

from __future__ import annotations

from pyrt.errors import PyrtError


class ConfigError(PyrtError):
    """A configuration that cannot be used.

    ``subject`` is the file (``config /etc/pyrt/config.toml``), ``operation`` the dotted key
    (``network.ipv4_cidr``; empty when the file as a whole is meant), ``message`` what was expected there.
    """

    def __init__(self, message: str = "", *, file: str, key: str = "", errno: int | None = None) -> None:
        super().__init__(message, subject=f"config {file}", operation=key, errno=errno)
        self.file = file
        self.key = key
