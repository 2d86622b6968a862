"""Rules of scheduling fields. They have no effect on one machine, but nonsense in them is still refused."""

from __future__ import annotations

from pyrt.kube import names
from pyrt.kube.field import FieldError, duplicate, each_invalid, invalid, not_supported, required
from pyrt.kube.pod import PodSpec
from pyrt.kube.scheduling import Affinity, NodeSelectorTerm, PodAffinityTerm, Toleration
from pyrt.kube.validation.metadata import validate_labels

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def validate_scheduling(spec: PodSpec, path: str) -> list[FieldError]:
    """nodeSelector, tolerations, affinity, topology spread, gates, priority."""
    errors = validate_labels(spec.node_selector, f"{path}.nodeSelector")
    for index, toleration in enumerate(spec.tolerations):
        errors += _toleration(toleration, f"{path}.tolerations[{index}]")
    if spec.affinity is not None:
        errors += _affinity(spec.affinity, f"{path}.affinity")
    for index, constraint in enumerate(spec.topology_spread_constraints):
        where = f"{path}.topologySpreadConstraints[{index}]"
        if constraint.max_skew <= 0:
            errors.append(invalid(f"{where}.maxSkew", constraint.max_skew, "must be greater than 0"))
        if not constraint.topology_key:
            errors.append(required(f"{where}.topologyKey", "can not be empty"))
        actions = ("DoNotSchedule", "ScheduleAnyway")
        if constraint.when_unsatisfiable not in actions:
            errors.append(not_supported(f"{where}.whenUnsatisfiable", constraint.when_unsatisfiable, actions))
    seen: set[str] = set()
    for index, gate in enumerate(spec.scheduling_gates):
        where = f"{path}.schedulingGates[{index}]"
        errors += each_invalid(where, gate.name, names.label_key(gate.name))
        if gate.name in seen:
            errors.append(duplicate(where, gate.name))
        seen.add(gate.name)
    if spec.priority_class_name:
        problems = names.dns_subdomain(spec.priority_class_name)
        errors += each_invalid(f"{path}.priorityClassName", spec.priority_class_name, problems)
    policies = ("PreemptLowerPriority", "Never")
    if spec.preemption_policy is not None and spec.preemption_policy not in policies:
        errors.append(not_supported(f"{path}.preemptionPolicy", spec.preemption_policy, policies))
    return errors


def _toleration(toleration: Toleration, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    operator = toleration.operator
    if toleration.key:
        errors += each_invalid(f"{path}.key", toleration.key, names.label_key(toleration.key))
    elif operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(invalid(f"{path}.operator", operator, detail))
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", toleration.effect, detail))
    if operator in ("", "Equal"):
        problems = names.label_value(toleration.value)
        if problems:
            errors.append(invalid(f"{path}.operator", toleration.value, ";".join(problems)))
    elif operator == "Exists":
        if toleration.value:
            detail = "value must be empty when `operator` is 'Exists'"
            errors.append(invalid(f"{path}.operator", toleration.value, detail))
    elif operator not in ("Lt", "Gt"):
        errors.append(not_supported(f"{path}.operator", operator, ("Equal", "Exists")))
    if toleration.effect and toleration.effect not in _EFFECTS:
        errors.append(not_supported(f"{path}.effect", toleration.effect, _EFFECTS))
    return errors


def _affinity(affinity: Affinity, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    wanted, preferred = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    )
    node = affinity.node_affinity
    if node is not None:
        where = f"{path}.nodeAffinity"
        if node.required_during_scheduling_ignored_during_execution is not None:
            terms = node.required_during_scheduling_ignored_during_execution.node_selector_terms
            if not terms:
                detail = "must have at least one node selector term"
                errors.append(required(f"{where}.{wanted}.nodeSelectorTerms", detail))
            for index, term in enumerate(terms):
                errors += _node_term(term, f"{where}.{wanted}.nodeSelectorTerms[{index}]")
        for index, weighted in enumerate(node.preferred_during_scheduling_ignored_during_execution):
            inner = f"{where}.{preferred}[{index}]"
            errors += _weight(weighted.weight, inner)
            errors += _node_term(weighted.preference, f"{inner}.preference")
    for name, pods in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if pods is None:
            continue
        where = f"{path}.{name}"
        for index, pod_term in enumerate(pods.required_during_scheduling_ignored_during_execution):
            errors += _pod_term(pod_term, f"{where}.{wanted}[{index}]")
        for index, weighted_term in enumerate(pods.preferred_during_scheduling_ignored_during_execution):
            inner = f"{where}.{preferred}[{index}]"
            errors += _weight(weighted_term.weight, inner)
            errors += _pod_term(weighted_term.pod_affinity_term, f"{inner}.podAffinityTerm")
    return errors


def _weight(weight: int, path: str) -> list[FieldError]:
    return [] if 1 <= weight <= 100 else [invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def _node_term(term: NodeSelectorTerm, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    operators = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
    for index, requirement in enumerate(term.match_expressions):
        where = f"{path}.matchExpressions[{index}]"
        errors += each_invalid(f"{where}.key", requirement.key, names.label_key(requirement.key))
        operator = requirement.operator
        if operator not in operators:
            errors.append(invalid(f"{where}.operator", operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not requirement.values:
            errors.append(required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    return errors


def _pod_term(term: PodAffinityTerm, path: str) -> list[FieldError]:
    if not term.topology_key:
        return [required(f"{path}.topologyKey", "can not be empty")]
    return each_invalid(f"{path}.topologyKey", term.topology_key, names.label_key(term.topology_key))
