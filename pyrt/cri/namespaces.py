"""``NamespaceOption``: whose namespaces a sandbox and its containers have (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.launch.context import UserNamespace
from pyrt.runtime.config import NamespaceMode, SandboxConfig

_MODES: dict[int, NamespaceMode] = {
    cri.POD: NamespaceMode.POD,
    cri.CONTAINER: NamespaceMode.CONTAINER,
    cri.NODE: NamespaceMode.NODE,
}


def mode(value: int, field: str, *allowed: int) -> NamespaceMode:
    """One of ``allowed``. Raises :class:`CriError`."""
    if value not in allowed:
        names = " or ".join(cri.NamespaceMode.Name(one) for one in allowed)
        name = cri.NamespaceMode.Name(value) if value in cri.NamespaceMode.values() else str(value)
        raise invalid(field, f"expected {names}, got {name}")
    return _MODES[value]


def user_namespace(options: cri.UserNamespace, field: str) -> UserNamespace | None:
    """The ids of a pod with a user namespace; ``None`` for the host's.

    One range, from 0 on, the same for users and groups: what kubelets ask for. Raises :class:`CriError`.
    """
    if options.mode == cri.NODE:
        if options.uids or options.gids:
            raise invalid(field, "mappings are for mode POD only")
        return None
    if options.mode != cri.POD:
        raise invalid(f"{field}.mode", "expected POD or NODE")
    uids, gids = _one_range(options.uids, f"{field}.uids"), _one_range(options.gids, f"{field}.gids")
    if uids != gids:
        raise invalid(field, "expected the same mapping for users and groups")
    return uids


def _one_range(mappings: Iterable[cri.IDMapping], field: str) -> UserNamespace:
    listed = list(mappings)
    if len(listed) != 1:
        raise invalid(field, f"expected one mapping, got {len(listed)}")
    one = listed[0]
    if one.container_id != 0:
        raise invalid(f"{field}.container_id", f"expected 0, got {one.container_id}")
    if one.length == 0 or one.host_id + one.length > 0xFFFFFFFF:
        raise invalid(field, f"{one.length} ids from {one.host_id} on are not all there")
    if one.host_id == 0:
        raise invalid(f"{field}.host_id", "0 is the host's root")
    return UserNamespace(one.host_id, one.length)


def of_container(options: cri.NamespaceOption, sandbox: SandboxConfig, field: str) -> tuple[NamespaceMode | None, str]:
    """The container's PID namespace: its mode (``None``: the sandbox's), and the container whose it joins.

    Network, IPC and user namespace are always the sandbox's; asking for others is refused. Raises :class:`CriError`.
    """
    for name, value, own in (("network", options.network, sandbox.network), ("ipc", options.ipc, sandbox.ipc)):
        # POD is the default of the field: the sandbox's, whatever that is.
        if mode(value, f"{field}.{name}", cri.POD, cri.NODE) is NamespaceMode.NODE and own is not NamespaceMode.NODE:
            raise invalid(f"{field}.{name}", "NODE, and the sandbox has one of its own")
    if options.HasField("userns_options"):
        own_ids = user_namespace(options.userns_options, f"{field}.userns_options")
        if own_ids != sandbox.user_namespace:
            raise invalid(f"{field}.userns_options", "expected the same mappings as the sandbox's")
    elif sandbox.user_namespace is not None:
        raise invalid(f"{field}.userns_options", "expected the same mappings as the sandbox's, got none")
    if options.pid == cri.TARGET:
        if not options.target_id:
            raise invalid(f"{field}.target_id", "expected the id of a container")
        return None, options.target_id
    if options.target_id:
        raise invalid(f"{field}.target_id", "for pid TARGET only")
    pid = mode(options.pid, f"{field}.pid", cri.POD, cri.CONTAINER, cri.NODE)
    if pid is NamespaceMode.POD:
        if sandbox.pid is NamespaceMode.CONTAINER:
            raise invalid(f"{field}.pid", "POD, and the sandbox has been made for CONTAINER")
        return None, ""
    if pid is NamespaceMode.NODE and sandbox.user_namespace is not None:
        raise invalid(f"{field}.pid", "NODE, and the pod has a user namespace")
    return (None if pid is sandbox.pid else pid), ""
