"""Jobs (``batch/v1``), as far as their pod template."""

from __future__ import annotations

from typing import Any

from msgspec import field

from pyrt.kube.base import Int32, Int64, KubeStruct
from pyrt.kube.meta import LabelSelector, ObjectMeta
from pyrt.kube.pod import PodTemplateSpec


class PodFailurePolicyOnExitCodesRequirement(KubeStruct):
    """Exit codes that a rule is about."""

    container_name: str | None = None
    operator: str = field(default_factory=str)
    values: list[Int32] = field(default_factory=list)


class PodFailurePolicyOnPodConditionsPattern(KubeStruct):
    """Pod conditions that a rule is about."""

    type: str = field(default_factory=str)
    status: str = field(default_factory=str)


class PodFailurePolicyRule(KubeStruct):
    """What a kind of failure leads to."""

    action: str = field(default_factory=str)
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: list[PodFailurePolicyOnPodConditionsPattern] = field(default_factory=list)


class PodFailurePolicy(KubeStruct):
    """Rules, tried in order."""

    rules: list[PodFailurePolicyRule] = field(default_factory=list)


class SuccessPolicyRule(KubeStruct):
    """When a job counts as done early."""

    succeeded_indexes: str | None = None
    succeeded_count: Int32 | None = None


class SuccessPolicy(KubeStruct):
    """Rules, tried in order."""

    rules: list[SuccessPolicyRule] = field(default_factory=list)


class JobSpec(KubeStruct):
    """What a job should do."""

    parallelism: Int32 | None = None
    completions: Int32 | None = None
    active_deadline_seconds: Int64 | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    success_policy: SuccessPolicy | None = None
    backoff_limit: Int32 | None = None
    backoff_limit_per_index: Int32 | None = None
    max_failed_indexes: Int32 | None = None
    selector: LabelSelector | None = None
    manual_selector: bool | None = None
    template: PodTemplateSpec = field(default_factory=PodTemplateSpec)
    ttl_seconds_after_finished: Int32 | None = None
    completion_mode: str | None = None
    suspend: bool | None = None
    pod_replacement_policy: str | None = None
    managed_by: str | None = None


class Job(KubeStruct):
    """A job."""

    api_version: str = field(default_factory=lambda: "batch/v1")
    kind: str = field(default_factory=lambda: "Job")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: JobSpec = field(default_factory=JobSpec)
    status: dict[str, Any] | None = None
