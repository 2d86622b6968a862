"""Pod sandboxes and containers. The entry point is :class:`pyrt.runtime.Runtime`.

Names are resolved on first use (PEP 562): whoever wants only the types does not import the network and launch layers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyrt.runtime.runtime import Runtime
    from pyrt.runtime.session import ExecResult, Session

__all__ = ["ExecResult", "Runtime", "Session"]

_HOME = {"Runtime": "runtime", "ExecResult": "session", "Session": "session"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
