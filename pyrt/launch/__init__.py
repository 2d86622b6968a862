"""From an OCI spec to a plan: a program of system calls, as data (docs/internals/plan.md).

:func:`compile_container`, :func:`compile_exec` and :func:`compile_sandbox` are pure: spec and context in,
:class:`Plan` out. ``plan.encode()`` is what the player takes, ``plan.open_fds()`` the descriptors beside it,
``plan.describe()`` what people read, ``plan.failure(index, errno)`` the error when the player stopped there.
"""

from pyrt.launch.container import compile_container
from pyrt.launch.context import (
    CgroupPlace,
    ContainerContext,
    DirectoryRoot,
    ExecContext,
    MountSource,
    OverlayRoot,
    UserNamespace,
)
from pyrt.launch.errors import LaunchError
from pyrt.launch.execute import compile_exec
from pyrt.launch.features import Features, probe
from pyrt.launch.plan import CloneTree, FdSource, GivenFd, OpenPath, Plan, PodSupplied
from pyrt.launch.table import CONSOLE, TARGET
from pyrt.records import TYPE_CHECKING

if TYPE_CHECKING:
    from pyrt.launch.sandbox import SandboxContext, Tmpfs, compile_sandbox


__all__ = [
    "CONSOLE",
    "TARGET",
    "CgroupPlace",
    "CloneTree",
    "ContainerContext",
    "DirectoryRoot",
    "ExecContext",
    "FdSource",
    "Features",
    "GivenFd",
    "LaunchError",
    "MountSource",
    "OpenPath",
    "OverlayRoot",
    "Plan",
    "PodSupplied",
    "SandboxContext",
    "Tmpfs",
    "UserNamespace",
    "compile_container",
    "compile_exec",
    "compile_sandbox",
    "probe",
]


def __getattr__(name: str) -> object:
    """What only pods need is imported when it is first asked for."""
    if name not in ("SandboxContext", "Tmpfs", "compile_sandbox"):
        raise AttributeError(name)
    from pyrt.launch import sandbox

    found = globals()[name] = getattr(sandbox, name)
    return found
