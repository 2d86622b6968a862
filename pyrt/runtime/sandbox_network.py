"""The network of a sandbox whose links CNI plugins make. pyrt's own network is part of the sandbox's plan instead."""

from __future__ import annotations

import logging

from pyrt.network.cni import CniError, Pod
from pyrt.runtime.config import NamespaceMode, Owner, SandboxConfig
from pyrt.runtime.core import Core
from pyrt.runtime.errors import SandboxError
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.records import CniPhase, SandboxRecord
from pyrt.runtime.sandbox_files import write_addresses

log = logging.getLogger(__name__)


def wants_plugins(core: Core, config: SandboxConfig) -> bool:
    """Whether a new sandbox's network is CNI's. Raises :class:`~pyrt.network.cni.ConfigurationError` if it is, and
    there is none that could work.
    """
    if config.network is NamespaceMode.NODE or (config.owner is not Owner.CRI and not core.config.cni.own_pods):
        return False
    return core.cni.serves()


async def attach(core: Core, record: SandboxRecord, pod: PodProcess, files: int) -> None:
    """Have the plugins make the links of a sandbox whose namespaces are there; then its addresses are known.

    ``files``: the mount of :func:`pyrt.runtime.sandbox_files.make_files`. Raises :class:`CniError`, SandboxError.
    """
    record.addresses = await core.cni.add(record.id, _pod(core, record.config), pod.pid)
    if not pod.alive:
        raise SandboxError("the pod process has died")
    write_addresses(files, record.config, record.addresses)
    record.cni = CniPhase.ADDED
    core.tables.put_sandbox(record)


async def detach(core: Core, record: SandboxRecord) -> None:
    """Have the plugins undo it. Raises :class:`SandboxError` when one fails; nobody waits for a sandbox that was never
    finished, though: that goes on in the background.
    """
    try:
        await core.cni.delete(record.id)
    except CniError as error:
        meta = record.config.metadata
        if record.cni is CniPhase.ADDED:
            raise SandboxError(str(error), subject=f"pod {meta.namespace}/{meta.name}") from error
        log.warning("pod %s/%s: %s", meta.namespace, meta.name, error)


def _pod(core: Core, config: SandboxConfig) -> Pod:
    dns = config.dns
    cgroup = config.cgroup_parent
    return Pod(
        namespace=config.metadata.namespace,
        name=config.metadata.name,
        uid=config.metadata.uid,
        annotations=config.annotations,
        host_ports=config.host_ports,
        dns=None if dns is None else {"servers": dns.servers, "searches": dns.searches, "options": dns.options},
        cgroup=cgroup if cgroup.startswith("/") else f"/{core.config.cgroup.parent}/{cgroup}",
    )
