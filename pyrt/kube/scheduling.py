"""Scheduling constraints. On one machine there is nothing to choose: they are read, kept, and named in a warning."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, Int64, KubeStruct
from pyrt.kube.meta import LabelSelector


class NodeSelectorRequirement(KubeStruct):
    """``key operator values`` over node labels or fields."""

    key: str = field(default_factory=str)
    operator: str = field(default_factory=str)
    values: list[str] = field(default_factory=list)


class NodeSelectorTerm(KubeStruct):
    """Requirements that must all hold."""

    match_expressions: list[NodeSelectorRequirement] = field(default_factory=list)
    match_fields: list[NodeSelectorRequirement] = field(default_factory=list)


class NodeSelector(KubeStruct):
    """Terms of which one must hold."""

    node_selector_terms: list[NodeSelectorTerm] = field(default_factory=list)


class PreferredSchedulingTerm(KubeStruct):
    """A term that adds weight."""

    weight: Int32 = field(default_factory=int)
    preference: NodeSelectorTerm = field(default_factory=NodeSelectorTerm)


class NodeAffinity(KubeStruct):
    """Which nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredSchedulingTerm] = field(default_factory=list)


class PodAffinityTerm(KubeStruct):
    """Near, or far from, pods that match."""

    label_selector: LabelSelector | None = None
    namespaces: list[str] = field(default_factory=list)
    topology_key: str = field(default_factory=str)
    namespace_selector: LabelSelector | None = None
    match_label_keys: list[str] = field(default_factory=list)
    mismatch_label_keys: list[str] = field(default_factory=list)


class WeightedPodAffinityTerm(KubeStruct):
    """A pod term that adds weight."""

    weight: Int32 = field(default_factory=int)
    pod_affinity_term: PodAffinityTerm = field(default_factory=PodAffinityTerm)


class PodAffinity(KubeStruct):
    """Which neighbours are wanted."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = field(default_factory=list)
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = field(default_factory=list)


class PodAntiAffinity(KubeStruct):
    """Which neighbours are not wanted."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = field(default_factory=list)
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = field(default_factory=list)


class Affinity(KubeStruct):
    """All affinities of a pod."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class Toleration(KubeStruct):
    """Taints that a pod endures."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: Int64 | None = None


class TopologySpreadConstraint(KubeStruct):
    """How evenly matching pods are spread."""

    max_skew: Int32 = field(default_factory=int)
    topology_key: str = field(default_factory=str)
    when_unsatisfiable: str = field(default_factory=str)
    label_selector: LabelSelector | None = None
    min_domains: Int32 | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
    match_label_keys: list[str] = field(default_factory=list)


class PodSchedulingGate(KubeStruct):
    """Keeps a pod from being scheduled until removed."""

    name: str = field(default_factory=str)


class PodResourceClaim(KubeStruct):
    """A device claim of a pod."""

    name: str = field(default_factory=str)
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class PodSchedulingGroup(KubeStruct):
    """The group a pod is scheduled with."""

    pod_group_name: str | None = None
