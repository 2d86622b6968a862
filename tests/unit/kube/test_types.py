"""The types against the published schemas of Kubernetes 1.36 (the kubernetes-validate package)."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import msgspec
import pytest

import pyrt.kube
from pyrt.kube.base import KubeStruct, json_name
from pyrt.kube.decode import to_json
from pyrt.kube.event import Event
from pyrt.kube.pod import Pod, PodList
from pyrt.kube.podstatus import ContainerStatus, PodCondition
from pyrt.kube.response import Status

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema/v1.36.0-local/_definitions.json"
DEFINITIONS: dict[str, Any] = json.loads(SCHEMAS.read_text())["$defs"]
PACKAGES = (
    "io.k8s.api.core.v1.",
    "io.k8s.api.batch.v1.",
    "io.k8s.api.storage.v1.",
    "io.k8s.apimachinery.pkg.apis.meta.v1.",
)


def all_types() -> list[type[KubeStruct]]:
    modules = [m.name for m in pkgutil.iter_modules(pyrt.kube.__path__) if not m.ispkg]
    return [
        value
        for name in modules
        for value in vars(importlib.import_module(f"pyrt.kube.{name}")).values()
        if isinstance(value, type) and issubclass(value, KubeStruct) and value.__module__ == f"pyrt.kube.{name}"
        if value is not KubeStruct
    ]


@pytest.mark.parametrize("kind", all_types(), ids=lambda kind: kind.__name__)
def test_every_field_of_the_schema_and_no_other(kind: type[KubeStruct]) -> None:
    definition = next(DEFINITIONS[p + kind.__name__] for p in PACKAGES if p + kind.__name__ in DEFINITIONS)
    assert set(kind.__struct_encode_fields__) == set(definition["properties"])


def test_the_whole_of_a_pod_is_covered() -> None:
    assert len(all_types()) > 150


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("pod_ip", "podIP"),
        ("pod_ips", "podIPs"),
        ("host_ips", "hostIPs"),
        ("fs_group", "fsGroup"),
        ("set_hostname_as_fqdn", "setHostnameAsFQDN"),
        ("target_wwns", "targetWWNs"),
        ("fields_v1", "fieldsV1"),
        ("continue_", "continue"),
        ("scale_io", "scaleIO"),
        ("downward_api", "downwardAPI"),
        ("api_version", "apiVersion"),
        ("uid", "uid"),
        ("container_id", "containerID"),
        ("run_as_user_name", "runAsUserName"),
    ],
)
def test_json_names(attribute: str, name: str) -> None:
    assert json_name(attribute) == name


def test_what_the_api_server_writes_even_when_empty() -> None:
    assert json.loads(to_json(Pod())) == {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}, "status": {}}
    assert json.loads(to_json(PodList()))["items"] == []
    assert json.loads(to_json(PodCondition(type="Ready", status="True"))) == {
        "type": "Ready",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": None,
    }
    status = json.loads(to_json(ContainerStatus(name="a")))
    assert status == {
        "name": "a",
        "state": {},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
    }


def test_kinds_name_themselves() -> None:
    for kind in (Pod, PodList, Event, Status):
        value = kind()
        assert (value.api_version, value.kind) == ("v1", kind.__name__)


def test_unknown_fields_are_refused_by_the_types_themselves() -> None:
    with pytest.raises(msgspec.ValidationError, match="contianers"):
        msgspec.json.decode(b'{"spec":{"contianers":[]}}', type=Pod)
