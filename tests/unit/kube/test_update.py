from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from pyrt.kube.container import Container
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.scheduling import PodSchedulingGate, Toleration
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
    assert error.endswith('\n+ spec.containers[0].workingDir: "/srv"')
    (error,) = errors_of(setter("spec.restart_policy", "Never"))
    assert error.endswith('\n- spec.restartPolicy: "Always"\n+ spec.restartPolicy: "Never"')


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


def test_a_dying_pod_gets_no_new_finalizers() -> None:
    dying = setter("metadata.deletion_timestamp", "2026-11-23T00:00:00Z")
    errors = errors_of(setter("metadata.finalizers", ["example.com/x"]), dying)
    assert errors == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"example.com/x"}'
    ]
