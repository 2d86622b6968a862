"""What goes wrong with CNI networks."""

from __future__ import annotations

from pyrt.network.errors import NetworkError


class CniError(NetworkError):
    """A CNI network could not be set up, checked or taken down."""


class ConfigurationError(CniError):
    """A network configuration that can never work; ``subject`` names the file."""


class PluginError(CniError):
    """A plugin said no, or did not say anything that makes sense.

    ``code`` is the plugin's own (SPEC, Error): 3 unknown container, 11 try again later, 50 and 51 not available, 100
    and above the plugin's; 0 when it gave none.
    """

    def __init__(self, message: str, *, subject: str, operation: str, code: int = 0) -> None:
        super().__init__(message, subject=subject, operation=operation)
        self.code = code


class PluginMissingError(CniError):
    """There is no such plugin in any of the directories."""


UNKNOWN_CONTAINER = 3
"""The plugin knows no such container: there is nothing to take down."""
