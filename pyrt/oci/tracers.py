"""Who could look into a process on its way into a container: whoever is in its PID namespace and has CAP_SYS_PTRACE."""

from __future__ import annotations

from pyrt.launch import constants as k
from pyrt.oci.state import Directory, State
from pyrt.spec import Config, Linux, LinuxCapabilities

_NAME = "CAP_SYS_PTRACE"


def traces(capabilities: LinuxCapabilities | None) -> bool:
    """Whether a process with these may have CAP_SYS_PTRACE: a set-uid program gets what the bounding set lets it."""
    return capabilities is not None and (_NAME in capabilities.permitted or _NAME in capabilities.bounding)


def has_to_hide(state: State, config: Config) -> bool:
    """Whether a process has to enter the container hidden (:mod:`pyrt.launch.hidden`).

    In a user namespace the capability does not reach the runtime's processes; a container in the host's PID namespace
    is no place to hide from. Of a PID namespace that was joined by its path nobody knows who else is in it.
    """
    if state.user_namespace or not state.namespaces & k.CLONE_NEWPID:
        return False
    joined = any(namespace.type == "pid" and namespace.path for namespace in (config.linux or Linux()).namespaces)
    return joined or state.tracer or (config.process is not None and traces(config.process.capabilities))


def remember(directory: Directory) -> None:
    """Write down that somebody with CAP_SYS_PTRACE is about to enter: whoever comes later has to hide from it."""
    directory.lock()
    try:
        state = directory.read()
        if not state.tracer:
            state.tracer = True
            directory.write(state)
    finally:
        directory.unlock()
