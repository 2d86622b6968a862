"""Strategic merge patches: the examples of Kubernetes' own documentation, and the patch that ``apply`` makes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.kube.strategic import PatchError, apply, three_way

A, B, C = ({"name": n, "image": n} for n in "abc")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # maps
        ({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}, {"a": 1, "b": {"c": 1, "d": 2}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "delete"}}, {"a": {}}),
        ({}, {"a": {"b": None, "c": 1, "$patch": "merge"}}, {"a": {"c": 1}}),
        # lists of named things
        ({"containers": [A]}, {"containers": [B]}, {"containers": [B, A]}),  # new ones come first, as in Kubernetes
        (
            {"containers": [A, B]},
            {"containers": [{"name": "b", "image": "x"}]},
            {"containers": [A, {"name": "b", "image": "x"}]},
        ),
        ({"containers": [A, B]}, {"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": [B]}),
        ({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, C]}, {"containers": [C]}),
        (
            {"containers": [A, B]},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
            {"containers": [B, A]},
        ),
        (
            {"containers": [A, B]},
            {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [C]},
            {"containers": [C, A, B]},
        ),
        ({}, {"$setElementOrder/containers": [{"name": "a"}], "containers": [A]}, {"containers": [A]}),
        (
            {"env": [{"name": "a", "value": "1"}]},
            {"env": [{"name": "a", "value": "2"}]},
            {"env": [{"name": "a", "value": "2"}]},
        ),
        (
            {"volumeMounts": [{"mountPath": "/a", "name": "x"}]},
            {"volumeMounts": [{"mountPath": "/a", "name": "y"}]},
            {"volumeMounts": [{"mountPath": "/a", "name": "y"}]},
        ),
        (
            {"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a"]}]},
            {"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["b"]}]},
            {"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["b"]}]},
        ),
        # ports by number and protocol
        (
            {"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 53, "name": "dns"}]},
            {
                "ports": [
                    {"containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 53, "protocol": "TCP", "name": "dns"},
                ]
            },
        ),
        (
            {"ports": [{"containerPort": 53, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 53, "protocol": "UDP"}]},
            {"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]},
        ),
        # lists that are one value
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        # sets
        ({"finalizers": ["a", "b"]}, {"finalizers": ["b", "c"]}, {"finalizers": ["a", "b", "c"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        # unions
        (
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        ),
    ],
)
def test_apply(target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    assert apply(target, patch) == result


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"$patch": "dance"}, "unknown patch type 'dance' in map"),
        ({"containers": [{"image": "x"}]}, "does not contain declared merge key: name"),
        ({"containers": [{"name": "a", "$patch": "dance"}]}, "unknown patch type 'dance'"),
        ({"containers": ["x"]}, "does not contain declared merge key: name"),
        (
            {"$setElementOrder/containers": [{"name": "a"}], "containers": [B]},
            "doesn't match $setElementOrder/containers",
        ),
        ({"$setElementOrder/containers": 1}, "expected a list"),
        ({"spec": {"$retainKeys": ["a"], "b": 1}}, "invalid patch format of retainKeys"),
    ],
)
def test_what_is_no_patch(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(PatchError) as caught:
        apply({"containers": [A], "spec": {}}, patch)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("last", "wanted", "live", "patch"),
    [
        ({}, {"a": 1}, {"a": 1, "b": 2}, {}),
        ({}, {"a": 2}, {"a": 1, "b": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": 1, "b": 2}, {"a": None}),
        ({"a": 1}, {}, {"b": 2}, {}),
        ({}, {"a": None}, {"a": 1}, {"a": None}),
        ({}, {"a": None}, {}, {}),
        ({"m": {"x": 1, "y": 1}}, {"m": {"x": 1}}, {"m": {"x": 1, "y": 1, "z": 1}}, {"m": {"y": None}}),
        # a default that the server has filled in, and a container that somebody has injected, stay
        ({"containers": [A]}, {"containers": [A]}, {"containers": [A | {"tty": False}, B]}, {}),
        (
            {"containers": [A]},
            {"containers": [{"name": "a", "image": "x"}]},
            {"containers": [A | {"tty": False}, B]},
            {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a", "image": "x"}]},
        ),
        (
            {"containers": [A, B]},
            {"containers": [A]},
            {"containers": [A, B, C]},
            {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"$patch": "delete", "name": "b"}]},
        ),
        (
            {"containers": [A, B]},
            {"containers": [B, A]},
            {"containers": [A, C, B]},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
        ),
        ({}, {"args": ["a"]}, {"args": ["a", "b"]}, {"args": ["a"]}),
        (
            {"finalizers": ["a", "b"]},
            {"finalizers": ["b", "c"]},
            {"finalizers": ["a", "b", "d"]},
            {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]},
        ),
        (
            {},
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {
                "$setElementOrder/volumes": [{"name": "v"}],
                "volumes": [{"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["hostPath", "name"]}],
            },
        ),
    ],
)
def test_three_way(last: dict[str, Any], wanted: dict[str, Any], live: dict[str, Any], patch: dict[str, Any]) -> None:
    assert three_way(last, wanted, live) == patch


NAMES = st.lists(st.sampled_from("abcdef"), unique=True)


def _spec(names: list[str], images: list[int]) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": n, "image": str(i)} for n, i in zip(names, images, strict=False)]}}


SPECS = st.builds(_spec, NAMES, st.lists(st.integers(0, 3), min_size=6, max_size=6))


@given(SPECS, SPECS, SPECS)
def test_what_was_applied_is_there_and_applying_it_again_changes_nothing(
    last: dict[str, Any], wanted: dict[str, Any], live: dict[str, Any]
) -> None:
    result = apply(live, three_way(last, wanted, live))
    assert three_way(wanted, wanted, result) == {}
    ours = [c for c in result["spec"]["containers"] if c["name"] in {w["name"] for w in wanted["spec"]["containers"]}]
    assert ours == wanted["spec"]["containers"]
    theirs = {c["name"] for c in result["spec"]["containers"]} - {c["name"] for c in ours}
    assert theirs.isdisjoint(c["name"] for c in last["spec"]["containers"])
