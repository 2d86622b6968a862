"""Plans of containers, made once for all that are alike.

Making a plan and its bytes takes 0.4 ms of the event loop, and pods come in numbers: those of a Job, or the next one
after the last. The plans of their containers differ in three names of fixed length (the container's id, the sandbox's,
the pod's uid) and, at their end, in the program's environment. So the bytes before that end are kept, under everything
that they were made from, and become another container's by putting its names in the places of the first one's. The ids
are random, and so in no place by chance; the uid is taken out of what a plan is kept under, so a configuration that
names the first one's uid of its own accord is not alike.

What else a plan is made from may be different each time (devices of the host, profiles in files, who is in the PID
namespace): such containers get plans of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Final

import msgspec

from pyrt.launch.errors import LaunchError
from pyrt.launch.operations import Exec
from pyrt.launch.plan import FdSource, OpenPath, Plan, PodSupplied, encode_items
from pyrt.runtime.config import ContainerConfig, NamespaceMode
from pyrt.runtime.container_spec import command_of, environment_of
from pyrt.runtime.encodedplan import EncodedPlan
from pyrt.runtime.records import ContainerRecord, SandboxRecord
from pyrt.spec import LinuxResources

_KEPT: Final = 64
"""Plans, of some 14 KiB each."""
_UID_LENGTH: Final = 32
"""Characters of the shortest uid that is taken for one of its kind: a UUID has 36, a hash of a manifest 32."""
_NOT_IN_A_PLAN: Final = frozenset({"image_ref", "log_path", "labels", "annotations", "request", "stop_signal"})

_of_container = attrgetter(*(f.name for f in fields(ContainerConfig) if f.name not in _NOT_IN_A_PLAN))
_of_sandbox = attrgetter("network", "pid", "ipc", "cgroup_parent", "privileged")
_encode = msgspec.msgpack.Encoder(enc_hook=str).encode  # a Path is its text

Names = tuple[bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """A container's plan on its way to the pod process; in words only when it fails."""

    plan: Plan
    """Its own, or that of one that is alike."""
    data: bytes | None = None
    """``None``: the plan's."""
    fds: tuple[FdSource, ...] = ()
    """Only with ``data``."""
    anew: Callable[[], Plan] | None = None
    """Makes its own, if ``plan`` is not that."""

    def encoded(self, stack: ExitStack) -> EncodedPlan:
        """With the descriptors that it names, which ``stack`` closes when they have been sent. Raises
        :class:`LaunchError`.
        """
        if self.data is None:
            return EncodedPlan.of(self.plan, stack)
        plan = self.plan if self.fds is self.plan.fds else replace(self.plan, fds=self.fds)
        return EncodedPlan(self.data, plan.open_fds(stack), plan.target_slot, plan.console_slot)

    def failure(self, index: int, errno: int) -> LaunchError:
        """See :meth:`pyrt.launch.plan.Plan.failure`."""
        plan = self.plan if self.anew is None else self.anew()
        return plan.failure(index, errno)


@dataclass(frozen=True, slots=True)
class Model:
    """What containers that are alike have in common."""

    plan: Plan
    records: bytes
    """Of all its operations but the last, which is EXEC."""
    count: int
    """Of all."""
    names: Names
    """Of the container that it was made for."""
    home: str
    resources: LinuxResources | None

    def of(self, sandbox: SandboxRecord, record: ContainerRecord, anew: Callable[[], Plan]) -> ContainerPlan:
        """The plan of another container. Raises :class:`LaunchError`."""
        arguments = command_of(record.config)
        last = Exec(arguments[0], arguments, environment_of(record.config, sandbox.config.hostname, self.home))
        records, fds = self.records, self.plan.fds
        for theirs, ours in zip(self.names, _names(sandbox, record), strict=True):
            records = records.replace(theirs, ours)
            if fds:
                fds = tuple(_renamed(source, theirs.decode(), ours.decode()) for source in fds)
        return ContainerPlan(self.plan, self.plan.framed(records + last.encode(), self.count), fds, anew)


class ContainerPlans:
    """The models that were used last."""

    def __init__(self, *, default_in_file: bool) -> None:
        """``default_in_file``: whether seccomp's RuntimeDefault is a file of the operator's."""
        self._in_files = frozenset({"Localhost", "RuntimeDefault"} if default_in_file else {"Localhost"})
        self._models: OrderedDict[bytes, Model] = OrderedDict()

    def key(self, sandbox: SandboxRecord, config: ContainerConfig) -> bytes | None:
        """What the plan of a container and of those that are alike is kept under; ``None`` if it stands alone."""
        security, uid = config.security, sandbox.config.metadata.uid
        if (
            security.privileged
            or security.seccomp.type in self._in_files
            or config.devices
            or config.pid_target
            or (config.pid or sandbox.config.pid) is NamespaceMode.POD
            or sandbox.config.user_namespace is not None
            or len(uid) < _UID_LENGTH
        ):
            return None
        # Zero bytes: no text that a plan can have stands for the uid.
        return _encode((len(uid), _of_sandbox(sandbox.config), _of_container(config))).replace(uid.encode(), b"\0uid\0")

    def find(self, key: bytes | None) -> Model | None:
        """The model kept under ``key``."""
        if key is None or (model := self._models.get(key)) is None:
            return None
        self._models.move_to_end(key)
        return model

    def keep(
        self,
        key: bytes | None,
        plan: Plan,
        sandbox: SandboxRecord,
        record: ContainerRecord,
        home: str,
        resources: LinuxResources | None,
    ) -> None:
        """Remember the plan of a container, if others can be made of it."""
        *first, last = plan.items
        if key is None or not isinstance(last, Exec):
            return
        if not all(isinstance(source, OpenPath | PodSupplied) for source in plan.fds):
            return
        try:
            records, count = encode_items(first)
        except LaunchError:
            return  # its start will tell
        self._models[key] = Model(plan, records, count + 1, _names(sandbox, record), home, resources)
        if len(self._models) > _KEPT:
            self._models.popitem(last=False)


def _names(sandbox: SandboxRecord, record: ContainerRecord) -> Names:
    return record.id.encode(), sandbox.id.encode(), sandbox.config.metadata.uid.encode()


def _renamed(source: FdSource, theirs: str, ours: str) -> FdSource:
    return replace(source, path=source.path.replace(theirs, ours)) if isinstance(source, OpenPath) else source
