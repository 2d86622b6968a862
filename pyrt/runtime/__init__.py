"""Pod sandboxes and containers. The entry point is :class:`pyrt.runtime.Runtime`."""

from pyrt.runtime.runtime import Runtime
from pyrt.runtime.session import ExecResult, Session

__all__ = ["ExecResult", "Runtime", "Session"]
