"""A container's variables: what wins, what is looked up, and what is said of what is not there."""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from typing import Any

import pytest

from pyrt.kube.config_map import ConfigMap
from pyrt.kube.decode import from_object
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod
from pyrt.kube.secret import Secret
from pyrt.pods.env_files import EnvFileError
from pyrt.pods.environment import Sources, environment, needs_sandbox
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.facts import NodeFacts
from tests.unit.pods.test_translate import FACTS as PLAIN

FACTS: NodeFacts = dataclasses.replace(PLAIN, allocatable={"cpu": "4", "memory": "1000Mi", "ephemeral-storage": "10Gi"})


def b64(data: bytes) -> str:
    return b64encode(data).decode()


class Known:
    """Some objects of the namespace ``ns``."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.maps = {"conf": {"color": "red", "9-x.y": "dots", "nul": "a\0b"}}
        self.secrets = {"creds": {"password": b64(b"sesame"), "raw": b64(b"\xff"), "nul": b64(b"a\0b")}}

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        assert namespace == "ns"
        self.asked.append(("ConfigMap", name))
        data = self.maps.get(name)
        return None if data is None else ConfigMap(metadata=ObjectMeta(name=name), data=data)

    def secret(self, namespace: str, name: str) -> Secret | None:
        assert namespace == "ns"
        self.asked.append(("Secret", name))
        data = self.secrets.get(name)
        return None if data is None else Secret(metadata=ObjectMeta(name=name), data=data)


class Files:
    def value(self, volume: str, path: str, name: str) -> str | None:
        if path == "broken":
            raise EnvFileError("couldn't parse env file")
        return {("work", "vars", "A"): "one"}.get((volume, path, name))


def pod(container: dict[str, Any], **spec: Any) -> Pod:
    plain = {
        "metadata": {"name": "web", "namespace": "ns", "uid": "u1", "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "app", "image": "x:1", **container}], **spec},
    }
    made = from_object(plain, Pod)
    set_pod_defaults(made)
    return made


def resolved(container: dict[str, Any], known: Known | None = None, **spec: Any) -> dict[str, str]:
    made = pod(container, **spec)
    sources = Sources(known or Known(), Files())
    return environment(made, made.spec.containers[0], FACTS, ("10.0.0.5",), sources)


def one(source: dict[str, Any], **fields: Any) -> str | None:
    return resolved({"env": [{"name": "X", "valueFrom": source}], **fields}).get("X")


def key(kind: str, name: str, key: str, **fields: Any) -> dict[str, Any]:
    return {f"{kind}KeyRef": {"name": name, "key": key, **fields}}


def test_later_ones_win_and_see_earlier_ones() -> None:
    known = Known()
    known.maps["more"] = {"color": "blue", "size": "1"}
    del known.maps["conf"]["nul"]
    container = {
        "envFrom": [{"configMapRef": {"name": "conf"}}, {"configMapRef": {"name": "more"}}],
        "env": [
            {"name": "SEEN", "value": "$(color)$(size)$(LATER)"},
            {"name": "size", "value": "2$(size)"},
            {"name": "LATER", "value": "x"},
        ],
    }
    assert resolved(container, known) == {
        "color": "blue",
        "9-x.y": "dots",
        "size": "21",
        "SEEN": "blue1$(LATER)",
        "LATER": "x",
    }


def test_values_of_objects_are_not_expanded() -> None:
    known = Known()
    known.maps["conf"] = {"a": "$(b)", "b": "1"}
    env = [{"name": "X", "valueFrom": key("configMap", "conf", "a")}, {"name": "Y", "value": "$(X)"}]
    assert resolved({"env": env}, known) == {"X": "$(b)", "Y": "$(b)"}


def test_an_object_is_looked_up_once() -> None:
    known = Known()
    container = {
        "envFrom": [{"prefix": "S_", "secretRef": {"name": "other", "optional": True}}],
        "env": [
            {"name": "A", "valueFrom": key("configMap", "conf", "color")},
            {"name": "B", "valueFrom": key("configMap", "conf", "9-x.y")},
        ],
    }
    assert resolved(container, known) == {"A": "red", "B": "dots"}
    assert known.asked == [("Secret", "other"), ("ConfigMap", "conf")]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (key("configMap", "no", "k"), 'configmap "no" not found'),
        (key("secret", "no", "k"), 'secret "no" not found'),
        (key("configMap", "conf", "k"), "couldn't find key k in ConfigMap ns/conf"),
        (key("secret", "creds", "k"), "couldn't find key k in Secret ns/creds"),
        (key("secret", "creds", "raw"), "key raw in Secret ns/creds is not UTF-8, and cannot be a variable"),
        (key("secret", "creds", "nul"), "key nul in Secret ns/creds contains a NUL byte, and cannot be a variable"),
        (key("configMap", "conf", "nul"), "key nul in ConfigMap ns/conf contains a NUL byte, and cannot be a variable"),
        (
            {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "nobody"}},
            "container nobody not found",
        ),
        (
            {"fileKeyRef": {"volumeName": "work", "path": "vars", "key": "B"}},
            'environment variable key "B" not found in file "vars" of volume "work"',
        ),
        ({"fileKeyRef": {"volumeName": "work", "path": "broken", "key": "B"}}, "couldn't parse env file"),
    ],
)
def test_what_is_missing(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ContainerConfigError) as caught:
        one(source)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", ["configMapRef", "secretRef"])
def test_a_whole_object_that_is_missing(kind: str) -> None:
    words = {"configMapRef": 'configmap "no" not found', "secretRef": 'secret "no" not found'}
    with pytest.raises(ContainerConfigError, match=words[kind]):
        resolved({"envFrom": [{kind: {"name": "no"}}]})
    assert resolved({"envFrom": [{kind: {"name": "no", "optional": True}}]}) == {}


@pytest.mark.parametrize(
    "source",
    [
        key("configMap", "no", "k", optional=True),
        key("configMap", "conf", "k", optional=True),
        key("secret", "no", "k", optional=True),
        key("secret", "creds", "k", optional=True),
        {"fileKeyRef": {"volumeName": "work", "path": "vars", "key": "B", "optional": True}},
    ],
)
def test_what_is_missing_and_optional_leaves_what_was_there(source: dict[str, Any]) -> None:
    container = {
        "envFrom": [{"prefix": "", "configMapRef": {"name": "plain"}}],
        "env": [{"name": "X", "valueFrom": source}],
    }
    known = Known()
    known.maps["plain"] = {"X": "before"}
    assert resolved(container, known) == {"X": "before"}


RESOURCES = {"limits": {"cpu": "1500m", "memory": "64Mi", "hugepages-2Mi": "4Mi"}, "requests": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", None, "2"),
        ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "1", "1"),
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "1M", "68"),
        ("limits.memory", "1Gi", "1"),
        ("requests.memory", "1", str(64 << 20)),
        ("limits.hugepages-2Mi", "1Mi", "4"),
        ("limits.hugepages-1Gi", None, "0"),
        ("limits.ephemeral-storage", "1Gi", "10"),
        ("requests.ephemeral-storage", None, "0"),
    ],
)
def test_resources(resource: str, divisor: str | None, value: str) -> None:
    selector = {"resource": resource} | ({"divisor": divisor} if divisor is not None else {})
    assert one({"resourceFieldRef": selector}, resources=RESOURCES) == value


def test_limits_that_are_not_set_are_the_pods_and_then_the_nodes() -> None:
    env = [
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    assert resolved({"env": env}) == {"CPU": "4", "MEMORY": "1000"}
    assert resolved({"env": env}, resources={"limits": {"cpu": "2"}}) == {"CPU": "2", "MEMORY": "1000"}


def test_a_file_is_read() -> None:
    assert one({"fileKeyRef": {"volumeName": "work", "path": "vars", "key": "A"}}) == "one"


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ({"fieldRef": {"fieldPath": "status.podIPs"}}, True),
        ({"fileKeyRef": {"volumeName": "work", "path": "vars", "key": "A"}}, True),
        ({"fieldRef": {"fieldPath": "metadata.name"}}, False),
        (key("secret", "creds", "password"), False),
    ],
)
def test_what_needs_the_sandbox_first(source: dict[str, Any], needed: bool) -> None:
    made = pod({"env": [{"name": "A", "value": "1"}, {"name": "X", "valueFrom": source}]})
    assert needs_sandbox(made.spec.containers[0]) is needed
