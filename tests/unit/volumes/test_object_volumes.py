"""What goes into volumes of API objects."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from pyrt.kube.config_map import ConfigMap
from pyrt.kube.decode import from_object
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.pod import Pod
from pyrt.kube.secret import Secret
from pyrt.volumes import memory, registry
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.object_volume import ObjectVolume
from pyrt.volumes.payload import Payload, ProjectedFile
from pyrt.volumes.types import VolumeContext


class Known:
    def __init__(self) -> None:
        self.maps = {"conf": ConfigMap(data={"a": "1", "b": "2"}, binary_data={"raw": b64encode(b"\xff").decode()})}
        self.secrets = {"creds": Secret(data={"a": b64encode(b"sesame").decode()})}

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return self.maps.get(name) if namespace == "ns" else None

    def secret(self, namespace: str, name: str) -> Secret | None:
        return self.secrets.get(name) if namespace == "ns" else None


def context(
    source: dict[str, Any], known: Known | None = None, path: Path = Path("/run/x"), **spec: Any
) -> VolumeContext:
    container = {"name": "app", "image": "x", "resources": {"limits": {"memory": "1Gi"}}}
    pod = from_object(
        {
            "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"x": "y"}},
            "spec": {"containers": [container], "volumes": [{"name": "v", **source}], **spec},
        },
        Pod,
    )
    set_pod_defaults(pod)
    return VolumeContext("u", path / "disk", pod, known or Known(), path / "volumes" / "u", {"cpu": "4"})


def payload(source: dict[str, Any], known: Known | None = None) -> Payload:
    found = context(source, known)
    volume = found.pod.spec.volumes[0]
    kind = registry.type_of(volume)
    assert isinstance(kind, ObjectVolume)
    return kind.payload(volume, found)


def test_every_value_of_a_config_map() -> None:
    assert payload({"configMap": {"name": "conf"}}) == {
        "a": ProjectedFile(b"1", 0o644),
        "b": ProjectedFile(b"2", 0o644),
        "raw": ProjectedFile(b"\xff", 0o644),
    }


def test_chosen_values_with_modes_of_their_own() -> None:
    items = [{"key": "a", "path": "x/y", "mode": 0o400}, {"key": "raw", "path": "raw"}, {"key": "a", "path": "again"}]
    assert payload({"configMap": {"name": "conf", "items": items, "defaultMode": 0o440}}) == {
        "x/y": ProjectedFile(b"1", 0o400),
        "raw": ProjectedFile(b"\xff", 0o440),
        "again": ProjectedFile(b"1", 0o440),
    }


def test_a_mode_of_nothing_is_a_mode() -> None:
    assert payload({"secret": {"secretName": "creds", "defaultMode": 0}}) == {"a": ProjectedFile(b"sesame", 0)}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "conf", "items": [{"key": "no", "path": "x"}]}},
            "configmap references non-existent config key: no",
        ),
        (
            {"secret": {"secretName": "creds", "items": [{"key": "no", "path": "x"}]}},
            "references non-existent secret key: no",
        ),
        (
            {"projected": {"sources": [{"secret": {"name": "no"}}, {"configMap": {"name": "nor"}}]}},
            '[secret "no" not found, configmap "nor" not found]',
        ),
        (
            {
                "downwardAPI": {
                    "items": [{"path": "x", "resourceFieldRef": {"containerName": "no", "resource": "limits.cpu"}}]
                }
            },
            "container no not found",
        ),
    ],
)
def test_what_is_missing(source: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeError) as caught:
        payload(source)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "source",
    [
        {"configMap": {"name": "no", "optional": True}},
        {"secret": {"secretName": "creds", "optional": True, "items": [{"key": "no", "path": "x"}]}},
        {
            "projected": {
                "sources": [{"configMap": {"name": "no", "optional": True, "items": [{"key": "a", "path": "x"}]}}]
            }
        },
    ],
)
def test_what_is_missing_and_optional(source: dict[str, Any]) -> None:
    assert payload(source) == {}


def test_later_sources_win() -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}, "mode": 0o600},
        {"path": "./cpu", "resourceFieldRef": {"containerName": "app", "resource": "limits.cpu"}},
        {"path": "memory", "resourceFieldRef": {"containerName": "app", "resource": "limits.memory", "divisor": "1Mi"}},
    ]
    sources = [{"configMap": {"name": "conf"}}, {"secret": {"name": "creds"}}, {"downwardAPI": {"items": items}}]
    found = payload({"projected": {"sources": sources, "defaultMode": 0o444}})
    assert {path: file.data for path, file in found.items()} == {
        "a": b"sesame",
        "b": b"2",
        "raw": b"\xff",
        "labels": b'x="y"',
        "cpu": b"4",
        "memory": b"1024",
    }
    assert {file.mode for path, file in found.items() if path != "labels"} == {0o444}
    assert found["labels"].mode == 0o600


@pytest.fixture
def _no_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain directory in place of the file system in memory."""
    monkeypatch.setattr(memory, "_mount", lambda root: root.mkdir(parents=True, exist_ok=True))


@pytest.mark.usefixtures("_no_mount")
def test_prepared_kept_and_taken_down(tmp_path: Path) -> None:
    known = Known()
    found = context({"configMap": {"name": "conf"}}, known, tmp_path)
    volume = found.pod.spec.volumes[0]
    prepared = registry.prepare(volume, found)
    assert prepared == registry.plan(volume, found)
    assert (prepared.read_only, prepared.makes_sub_paths, prepared.follows_objects) == (True, False, True)
    assert (prepared.path / "a").read_text() == "1"
    del known.maps["conf"]
    kept = registry.prepare(volume, found)
    assert kept.complaint == 'configmap "conf" not found'
    assert (prepared.path / "a").read_text() == "1"
    registry.teardown(volume, found)
    registry.teardown(volume, found)
    assert not found.memory.exists()
    with pytest.raises(VolumeError) as caught:
        registry.prepare(volume, found)
    assert (caught.value.volume, caught.value.detail) == ("v", 'configmap "conf" not found')
    assert str(caught.value) == 'volume v: configmap "conf" not found'
