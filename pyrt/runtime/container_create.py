"""Making a container: its directories, its cgroup, its plan. Nothing runs yet."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace

from pyrt.cgroups import Join
from pyrt.errors import PyrtError
from pyrt.ids import ContainerId, SandboxId, new_container_id
from pyrt.launch.container import compile_container
from pyrt.launch.context import CgroupPlace, ContainerContext, OverlayRoot, UserNamespace
from pyrt.launch.features import Features
from pyrt.launch.plan import Plan
from pyrt.launch.table import TARGET
from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.container_plans import ContainerPlan
from pyrt.runtime.container_spec import container_config, mount_sources
from pyrt.runtime.container_user import resolve_user
from pyrt.runtime.core import Core
from pyrt.runtime.errors import CreateError, RuntimeFailure, StateError
from pyrt.runtime.host_paths import make_host_paths
from pyrt.runtime.image_mounts import layered, make_places, mountpoint, placed
from pyrt.runtime.mountpoints import root_layers
from pyrt.runtime.paths import RuntimePaths
from pyrt.runtime.pid_namespace import pid_target
from pyrt.runtime.program import die_with_pod
from pyrt.runtime.records import ContainerRecord, SandboxRecord
from pyrt.runtime.sandbox_plan import sandbox_places
from pyrt.runtime.status import EventKind
from pyrt.runtime.tracers import has_to_hide
from pyrt.spec import Config


def create_container(core: Core, sandbox_id: SandboxId, config: ContainerConfig) -> ContainerRecord:
    """See :meth:`pyrt.runtime.Runtime.create_container`. Raises :class:`CreateError`; nothing is left behind then."""
    sandbox = core.sandbox(sandbox_id)
    for known in core.members[sandbox_id].values():
        if known.config.name == config.name and known.config.attempt == config.attempt:
            return known
    subject = f"container {config.name}"
    if sandbox.stopped or sandbox_id not in core.pods:
        raise StateError("its sandbox is not running", subject=subject, operation="create")
    record = ContainerRecord(id=new_container_id(), sandbox_id=sandbox_id, config=config, created_at=time.time_ns())
    with ExitStack() as undo:
        try:
            _make(core, sandbox, record, undo)
        except (PyrtError, OSError) as error:
            raise _as_create_error(subject, error) from error
        undo.pop_all()
    core.emit(EventKind.CREATED, sandbox_id, record.id, record.created_at)
    return record


def _make(core: Core, sandbox: SandboxRecord, record: ContainerRecord, undo: ExitStack) -> None:
    directory = core.paths.container(record.id)
    key = core.plans.key(sandbox, record.config)
    model = core.plans.find(key)
    # First: most of what can be wrong is found without touching anything.
    spec = spec_of(core, sandbox, record) if model is None else None
    resources = model.resources if model is not None else spec.linux.resources if spec and spec.linux else None
    path = f"{sandbox.config.cgroup_parent}/{record.id}"
    undo.callback(core.cgroups.remove, path)
    core.cgroups.begin(path, resources)
    make_host_paths(record.config.mounts)
    core.spares.take_layer(directory)
    undo.callback(core.trash.throw, directory)
    make_places(record.config, directory)
    if sandbox.config.user_namespace is not None:  # the container's root directory
        owner = sandbox.config.user_namespace.first
        os.chown(f"{directory}/upper", owner, owner)
    if str(record.config.log_path) not in ("", "."):
        core.spares.take_log(sandbox.config.log_directory, record.config.log_path)
    if model is not None:
        core.programs[record.id] = model.of(sandbox, record, lambda: compile_plan(core, sandbox, record))
    join = core.cgroups.create_container(path, resources)
    if spec is not None:
        plan = _plan(core, sandbox, record, spec, join)
        core.programs[record.id] = ContainerPlan(plan)
        core.plans.keep(key, plan, sandbox, record, resolve_user(record.config).home, resources)
    undo.callback(core.programs.pop, record.id, None)
    core.tables.put_container(record)
    core.add_container(record)


def _as_create_error(subject: str, error: Exception) -> RuntimeFailure:
    if isinstance(error, RuntimeFailure):
        error.subject = error.subject or subject
        return error
    if isinstance(error, PyrtError):
        return CreateError(str(error), subject=subject)
    assert isinstance(error, OSError)
    return CreateError(subject=subject, operation=f"create {error.filename}", errno=error.errno)


def spec_of(core: Core, sandbox: SandboxRecord, record: ContainerRecord) -> Config:
    """The runtime-spec configuration of a container."""
    config = placed(record.config, core.paths.container(record.id))
    user = resolve_user(config)
    facts = core.facts() if config.security.privileged else core.plain_facts
    return container_config(sandbox.config, config, sandbox_places(core.paths, sandbox.id), user, facts)


def compile_plan(core: Core, sandbox: SandboxRecord, record: ContainerRecord) -> Plan:
    """The plan of a container that exists."""
    join = core.cgroups.join(f"{sandbox.config.cgroup_parent}/{record.id}")
    return _plan(core, sandbox, record, spec_of(core, sandbox, record), join)


def _plan(core: Core, sandbox: SandboxRecord, record: ContainerRecord, spec: Config, join: Join) -> Plan:
    context = container_context(
        placed(record.config, core.paths.container(record.id)),
        core.paths,
        record.id,
        cgroup_place(join, core.cgroup_mounts),
        core.features,
        joins_pid=bool(pid_target(sandbox, record)),
        user_namespace=sandbox.config.user_namespace,
    )
    if context.join_pid is not None and has_to_hide(core, sandbox, record):
        proc = "" if record.config.pid_target else sandbox_places(core.paths, sandbox.id).proc
        context = replace(context, hidden=True, proc=proc)
    return die_with_pod(compile_container(spec, context))


def cgroup_place(join: Join, mounts: tuple[str, ...]) -> CgroupPlace:
    """How the launcher wants to hear of a cgroup."""
    return CgroupPlace(tasks=join.tasks, directory=join.directory, mount_points=mounts)


def container_context(
    config: ContainerConfig,
    paths: RuntimePaths,
    container_id: ContainerId,
    cgroup: CgroupPlace,
    features: Features,
    *,
    joins_pid: bool,
    user_namespace: UserNamespace | None = None,
) -> ContainerContext:
    """The places on this machine that the runtime-spec does not know (pure)."""
    directory = paths.container(container_id)
    return ContainerContext(
        root=OverlayRoot(
            layers=root_layers(config, paths.mountpoints),
            upper=f"{directory}/upper",
            work=f"{directory}/work",
            mountpoint=mountpoint(config, directory),
        ),
        cgroup=cgroup,
        features=features,
        sources=mount_sources(config),
        join_pid=TARGET if joins_pid else None,
        user_namespace=user_namespace,
        layered=layered(config),
    )
