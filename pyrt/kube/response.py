"""What the API says besides objects: ``Status`` for errors and results, and the options of a delete."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, Int64, KubeStruct
from pyrt.kube.meta import ListMeta


class StatusCause(KubeStruct):
    """One reason of a failure; ``field`` is the path of the field at fault."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(KubeStruct):
    """What a :class:`Status` is about."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: list[StatusCause] = field(default_factory=list)
    retry_after_seconds: Int32 = 0


class Status(KubeStruct):
    """The outcome of a request that returns no object; every error is one."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "Status")
    metadata: ListMeta = field(default_factory=ListMeta)
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: Int32 = 0


class Preconditions(KubeStruct):
    """What must hold for a delete to go ahead."""

    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(KubeStruct):
    """The body of a delete; grace in seconds."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "DeleteOptions")
    grace_period_seconds: Int64 | None = None
    preconditions: Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: list[str] = field(default_factory=list)
    ignore_store_read_error_with_cluster_breaking_potential: bool | None = None
