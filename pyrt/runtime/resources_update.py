"""Other limits for what runs: the cgroup first, then the record, so that a new daemon knows what is in force."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import msgspec

from pyrt.cgroups.foreign import is_foreign
from pyrt.cgroups.stats import CgroupStats
from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime.config import Resources
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.core import Core
from pyrt.runtime.errors import StateError
from pyrt.runtime.resources import linux_resources
from pyrt.runtime.status import ContainerState


def update_container(
    core: Core, container_id: ContainerId, resources: Resources, annotations: Mapping[str, str] | None = None
) -> None:
    """See :meth:`pyrt.runtime.Runtime.update_resources`."""
    record = core.container(container_id)
    if record.state is ContainerState.EXITED:
        raise StateError("it is exited", subject=f"container {record.config.name}", operation="update")
    core.cgroups.update(cgroup_of(core, record), linux_resources(resources))
    record.config = dataclasses.replace(
        record.config,
        resources=_merged(record.config.resources, resources),
        annotations={**record.config.annotations, **(annotations or {})},
    )
    core.tables.put_container(record)


def update_sandbox(core: Core, sandbox_id: SandboxId, resources: Resources) -> None:
    """See :meth:`pyrt.runtime.Runtime.update_sandbox_resources`."""
    record = core.sandbox(sandbox_id)
    if record.stopped:
        raise StateError("it is stopped", subject=f"sandbox {sandbox_id}", operation="update")
    if not is_foreign(record.config.cgroup_parent):  # else whoever made it has set its limits
        core.cgroups.update(record.config.cgroup_parent, linux_resources(resources))
    record.config = dataclasses.replace(record.config, resources=_merged(record.config.resources, resources))
    core.tables.put_sandbox(msgspec.structs.replace(record, pod_pid=0))


def container_cgroup(core: Core, container_id: ContainerId) -> CgroupStats:
    """See :meth:`pyrt.runtime.Runtime.container_cgroup`."""
    return core.cgroups.stats(cgroup_of(core, core.container(container_id)))


def sandbox_cgroup(core: Core, sandbox_id: SandboxId) -> CgroupStats:
    """See :meth:`pyrt.runtime.Runtime.sandbox_cgroup`."""
    return core.cgroups.stats(core.sandbox(sandbox_id).config.cgroup_parent)


def _merged(old: Resources, new: Resources) -> Resources:
    """``new`` where it says something."""
    figures = {f.name: getattr(new, f.name) or getattr(old, f.name) for f in dataclasses.fields(Resources)}
    return Resources(**figures)
