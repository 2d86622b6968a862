"""Removing a container instance."""

from __future__ import annotations

import contextlib

from pyrt.ids import ContainerId
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.container_stop import stop_container
from pyrt.runtime.core import Core
from pyrt.runtime.poderrors import PodProcessError
from pyrt.runtime.status import EventKind


async def remove_container(core: Core, container_id: ContainerId) -> None:
    """See :meth:`pyrt.runtime.Runtime.remove_container`. A running one is killed first, as CRI has it."""
    record = core.containers.get(container_id)
    if record is None:
        return
    await stop_container(core, container_id, 0, None)
    if container_id not in core.containers:  # removed by another caller meanwhile
        return
    path = cgroup_of(core, record)
    core.sweeper.cancel(path)
    if not core.cgroups.remove(path):
        core.sweeper.later(path)
    core.spares.give_back_layer(core.paths.container(container_id))
    core.drop_container(record)
    core.emit(EventKind.DELETED, record.sandbox_id, container_id)
    pod = core.pods.get(record.sandbox_id)
    if pod is not None and record.started_at:
        with contextlib.suppress(
            PodProcessError
        ):  # it never started, or the pod is on its way out with all its records
            await pod.forget(container_id)
