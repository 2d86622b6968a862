"""Who could look into a process on its way into a container: who shares its PID namespace and has CAP_SYS_PTRACE."""

from __future__ import annotations

from pyrt.launch import capabilities
from pyrt.runtime.config import ContainerSecurity, NamespaceMode
from pyrt.runtime.core import Core
from pyrt.runtime.pid_namespace import pid_mode
from pyrt.runtime.records import ContainerRecord, SandboxRecord
from pyrt.runtime.status import ContainerState


def has_to_hide(core: Core, sandbox: SandboxRecord, record: ContainerRecord) -> bool:
    """Whether a process has to enter the container's PID namespace hidden (:mod:`pyrt.launch.hidden`).

    In a user namespace the capability does not reach the runtime's processes; a container in the host's PID namespace,
    or a privileged one, is root on the host with or without it.
    """
    on_host = pid_mode(sandbox, record) is NamespaceMode.NODE and not record.config.pid_target
    if sandbox.config.user_namespace is not None or on_host:
        return False
    members = core.members.get(sandbox.id, {})
    space = _pid_space(core, sandbox, record)
    return any(
        _traces(other.config.security)
        and other.state is not ContainerState.EXITED
        and _pid_space(core, sandbox, other) == space
        for other in members.values()
    )


def _pid_space(core: Core, sandbox: SandboxRecord, record: ContainerRecord) -> str:
    """A name for the PID namespace that the container is in."""
    seen: set[str] = set()
    while record.config.pid_target and record.config.pid_target not in seen:
        seen.add(record.config.pid_target)
        target = core.members.get(sandbox.id, {}).get(record.config.pid_target)  # type: ignore[call-overload]
        if target is None:
            return record.config.pid_target
        record = target
    return "" if pid_mode(sandbox, record) is NamespaceMode.POD else record.id


def _traces(security: ContainerSecurity) -> bool:
    if security.privileged or not security.add_capabilities:
        return False
    names = capabilities.adjusted(security.add_capabilities, security.drop_capabilities)
    return "CAP_SYS_PTRACE" in names
