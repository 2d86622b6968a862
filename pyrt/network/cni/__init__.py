"""Networks that CNI plugins set up (containernetworking/cni, SPEC 1.1.0). One :class:`CniNetwork` per daemon.

Names are resolved on first use (PEP 562), as in :mod:`pyrt.network`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyrt.network.cni.capabilities import Pod
    from pyrt.network.cni.errors import CniError, ConfigurationError, PluginError, PluginMissingError
    from pyrt.network.cni.network import CniNetwork
    from pyrt.network.cni.status import NetworkStatus

__all__ = [
    "CniError",
    "CniNetwork",
    "ConfigurationError",
    "NetworkStatus",
    "PluginError",
    "PluginMissingError",
    "Pod",
]

_HOME = {
    "CniError": "errors",
    "CniNetwork": "network",
    "ConfigurationError": "errors",
    "NetworkStatus": "status",
    "PluginError": "errors",
    "PluginMissingError": "errors",
    "Pod": "capabilities",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
