"""What may change of a pod that waits behind scheduling gates: where it may run can be narrowed, not widened."""

from __future__ import annotations

import msgspec

from pyrt.kube.field import FieldError, invalid
from pyrt.kube.pod import PodSpec
from pyrt.kube.scheduling import Affinity, NodeSelectorTerm

_TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def validate_gated_update(new: PodSpec, old: PodSpec) -> list[FieldError]:
    """The rules of ``nodeSelector`` and node affinity (``validateNodeSelectorMutation``,
    ``validateNodeAffinityMutation``).
    """
    errors: list[FieldError] = []
    if not old.node_selector.items() <= new.node_selector.items():
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid("spec.nodeSelector", new.node_selector, detail))
    before, after = _terms(old.affinity), _terms(new.affinity)
    if before and len(before) != len(after):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [*errors, invalid(_TERMS, after, detail)]
    for index, (was, now) in enumerate(zip(before, after, strict=False)):
        if not _only_added(now, was):
            detail = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid(f"{_TERMS}[{index}]", now, detail))
    return errors


def _terms(affinity: Affinity | None) -> list[NodeSelectorTerm]:
    node = affinity.node_affinity if affinity is not None else None
    required = node.required_during_scheduling_ignored_during_execution if node is not None else None
    return required.node_selector_terms if required is not None else []


def _only_added(new: NodeSelectorTerm, old: NodeSelectorTerm) -> bool:
    if not old.match_expressions and not old.match_fields:
        return not new.match_expressions and not new.match_fields
    return (
        new.match_expressions[: len(old.match_expressions)] == old.match_expressions
        and new.match_fields[: len(old.match_fields)] == old.match_fields
    )


def with_node_affinity_of(new: Affinity | None, old: Affinity | None) -> Affinity | None:
    """``new`` as it would be had its node affinity stayed; what else differs between the two is left to see."""
    kept = old.node_affinity if old is not None else None
    if new is None:
        return Affinity(node_affinity=kept) if kept is not None else None
    result = msgspec.structs.replace(new, node_affinity=kept)
    return None if old is None and result == Affinity() else result
