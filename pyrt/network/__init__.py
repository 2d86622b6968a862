"""Pods' network: addresses, routed veth pairs, nftables. One :class:`Network` per daemon.

Names are resolved on first use (PEP 562): the types are wanted by layers and commands that never touch a network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyrt.network.errors import NetworkError, PoolExhausted, PortTaken
    from pyrt.network.explanation import explain
    from pyrt.network.network import Network
    from pyrt.network.types import HOST_NETNS_FD, Attachment, HostPort

__all__ = [
    "HOST_NETNS_FD",
    "Attachment",
    "HostPort",
    "Network",
    "NetworkError",
    "PoolExhausted",
    "PortTaken",
    "explain",
]

_HOME = {
    "HOST_NETNS_FD": "types",
    "Attachment": "types",
    "HostPort": "types",
    "Network": "network",
    "NetworkError": "errors",
    "PoolExhausted": "errors",
    "PortTaken": "errors",
    "explain": "explanation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
