from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from pyrt.kube.container import Container
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.scheduling import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodSchedulingGate,
    Toleration,
)
from pyrt.kube.update import validate_pod_update


def a_pod() -> Pod:
    pod = Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="u", generation=1),
        spec=PodSpec(
            containers=[Container(name="app", image="app:1")],
            init_containers=[Container(name="init", image="init:1")],
            tolerations=[Toleration(key="a", operator="Exists")],
        ),
    )
    set_pod_defaults(pod)
    return pod


def errors_of(change: Callable[[Pod], None], before: Callable[[Pod], None] = lambda pod: None) -> list[str]:
    old = a_pod()
    before(old)
    new = copy.deepcopy(old)
    change(new)
    return [str(error) for error in validate_pod_update(new, old)]


def setter(path: str, value: object) -> Callable[[Pod], None]:
    *steps, last = path.split(".")

    def change(pod: Pod) -> None:
        target: object = pod
        for step in steps:
            target = target[int(step)] if step.isdecimal() else getattr(target, step)  # type: ignore[index]
        setattr(target, last, value)

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels", {"a": "b"}),
        ("metadata.annotations", {"a": "b"}),
        ("spec.containers.0.image", "app:2"),
        ("spec.init_containers.0.image", "init:2"),
        ("spec.active_deadline_seconds", 5),
        ("spec.tolerations", [Toleration(key="b", operator="Exists"), Toleration(key="a", operator="Exists")]),
        ("metadata.uid", ""),
    ],
)
def test_what_may_change(path: str, value: object) -> None:
    assert errors_of(setter(path, value)) == []


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("metadata.name", "other", 'metadata.name: Invalid value: "other": field is immutable'),
        ("metadata.uid", "v", 'metadata.uid: Invalid value: "v": field is immutable'),
        ("spec.containers", [], "spec.containers: Forbidden: pod updates may not add or remove containers"),
        ("spec.tolerations", [], "spec.tolerations: Forbidden: existing toleration can not be modified except"),
        (
            "spec.restart_policy",
            "Never",
            "spec: Forbidden: pod updates may not change fields other than `spec.containe",
        ),
        ("spec.containers.0.command", ["x"], "spec: Forbidden: pod updates may not change fields other than"),
        ("spec.containers.0.image", "", "spec.containers[0].image: Required value"),
        ("spec.termination_grace_period_seconds", 1, "spec: Forbidden"),
        ("spec.scheduling_gates", [PodSchedulingGate(name="x")], "only deletion is allowed, but found new scheduling"),
    ],
)
def test_what_may_not_change(path: str, value: object, error: str) -> None:
    assert any(error in found for found in errors_of(setter(path, value)))


def test_a_refusal_shows_what_differs() -> None:
    (error,) = errors_of(setter("spec.containers.0.working_dir", "/srv"))
    assert '\n+   "workingDir": "/srv",\n' in error
    (error,) = errors_of(setter("spec.restart_policy", "Never"))
    assert error.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n@@ -"
    )
    assert '\n- "restartPolicy": "Always",\n+ "restartPolicy": "Never",\n' in error


def test_the_deadline_may_only_come_nearer() -> None:
    set_ten = setter("spec.active_deadline_seconds", 10)
    assert errors_of(setter("spec.active_deadline_seconds", 9), set_ten) == []
    assert errors_of(setter("spec.active_deadline_seconds", 11), set_ten) == [
        "spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value"
    ]
    assert errors_of(setter("spec.active_deadline_seconds", None), set_ten) == [
        "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"
    ]


def test_a_negative_grace_may_become_one() -> None:
    negative = setter("spec.termination_grace_period_seconds", -5)
    assert errors_of(setter("spec.termination_grace_period_seconds", 1), negative) == []


def test_gates_may_be_taken_away_and_the_node_chosen_meanwhile() -> None:
    gated = setter("spec.scheduling_gates", [PodSchedulingGate(name="x")])
    assert errors_of(setter("spec.scheduling_gates", []), gated) == []
    assert errors_of(setter("spec.node_selector", {"a": "b"}), gated) == []
    (error,) = errors_of(setter("spec.affinity", Affinity(pod_affinity=PodAffinity())), gated)
    assert "pod updates may not change fields other than" in error


def required_of(*terms: NodeSelectorTerm) -> Affinity:
    return Affinity(
        node_affinity=NodeAffinity(
            required_during_scheduling_ignored_during_execution=NodeSelector(node_selector_terms=list(terms))
        )
    )


def test_where_a_gated_pod_may_run_is_only_narrowed() -> None:
    def gated(pod: Pod) -> None:
        pod.spec.scheduling_gates = [PodSchedulingGate(name="x")]
        pod.spec.node_selector = {"a": "b"}
        pod.spec.affinity = required_of(NodeSelectorTerm(match_expressions=[one]))

    one, two = (NodeSelectorRequirement(key=key, operator="Exists") for key in ("one", "two"))
    assert errors_of(setter("spec.node_selector", {"a": "b", "c": "d"}), gated) == []
    assert errors_of(setter("spec.node_selector", {"a": "c"}), gated) == [
        'spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed '
        "(no mutations or deletions)"
    ]
    assert errors_of(setter("spec.affinity", required_of(NodeSelectorTerm(match_expressions=[one, two]))), gated) == []
    (error,) = errors_of(setter("spec.affinity", required_of(NodeSelectorTerm(match_expressions=[two]))), gated)
    assert error.endswith("only additions are allowed (no mutations or deletions)")
    (error,) = errors_of(setter("spec.affinity", required_of(*2 * [NodeSelectorTerm(match_expressions=[one])])), gated)
    assert error.endswith("no additions/deletions to non-empty NodeSelectorTerms list are allowed")


def test_the_mirror_annotation_is_the_systems() -> None:
    mirror = "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not"
    add = setter("metadata.annotations", {"kubernetes.io/config.mirror": "x"})
    assert errors_of(add) == [f"{mirror} add mirror pod annotation"]
    assert errors_of(setter("metadata.annotations", {}), add) == [f"{mirror} remove or update mirror pod annotation"]


def test_a_dying_pod_gets_no_new_finalizers() -> None:
    dying = setter("metadata.deletion_timestamp", "2026-11-23T00:00:00Z")
    errors = errors_of(setter("metadata.finalizers", ["example.com/x"]), dying)
    assert errors == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"example.com/x"}'
    ]
