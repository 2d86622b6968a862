"""The daemon: everything wired together, started and stopped. ``pyrt.daemon.run(config)`` is the entry.

Imported on first use, so that ``pyrt daemon --help`` does not pay for a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyrt.daemon.main import run

__all__ = ["run"]


def __getattr__(name: str) -> Any:
    if name != "run":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pyrt.daemon.main import run

    return run
