"""``pyrt explain`` of pods that are made from ConfigMaps and Secrets."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Pyrt
from tests.unit.client.server import Server, answer

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {a: b}}
spec:
  containers:
  - name: app
    image: nginx
    command: [say, "$(PASSWORD) $(COLOR) $(MADE)"]
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: creds, key: password}}}
    - {name: COLOR, valueFrom: {configMapKeyRef: {name: conf, key: color}}}
    - {name: MADE, valueFrom: {fileKeyRef: {volumeName: work, path: vars, key: A}}}
    volumeMounts: [{name: all, mountPath: /etc/all}]
  volumes:
  - {name: work, emptyDir: {}}
  - name: all
    projected:
      sources:
      - secret: {name: creds, items: [{key: password, path: secret/pw, mode: 0400}]}
      - configMap: {name: conf}
      - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
"""
OBJECTS = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {color: red}
---
apiVersion: v1
kind: Secret
metadata: {name: creds}
stringData: {password: sesame}
"""


def explained(pyrt: Pyrt, path: Path, text: str) -> tuple[dict[str, Any], str]:
    path.write_text(text)
    result = pyrt("explain", "-f", str(path), "-o", "json")
    assert (result.code, result.err) == (0, "")
    (found,) = json.loads(result.out)["items"]
    return found, result.out + pyrt("explain", "-f", str(path)).out


def test_objects_of_the_same_file(pyrt: Pyrt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRT_SOCKET", str(tmp_path / "nobody"))
    found, text = explained(pyrt, tmp_path / "pod.yaml", POD + OBJECTS)
    work, volume = found["volumes"]
    assert (work["kind"], work["files"]) == ("emptyDir", [])
    assert (volume["kind"], volume["read_only"]) == ("projected", True)
    assert volume["files"] == ["0644 color", "0644 labels", "0400 secret/pw"]
    words = "<password of Secret creds> red <A in file vars of volume work>"
    assert found["containers"][0]["command"] == ["say", words]
    assert found["unknown"] == []
    assert "sesame" not in text
    assert b64encode(b"sesame").decode() not in text


def test_objects_that_the_daemon_has(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    base = "/api/v1/namespaces/default"
    conf = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"color": "blue"}}
    creds = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}}
    creds["data"] = {"password": b64encode(b"sesame").decode()}
    server.routes[f"GET {base}/configmaps/conf"] = answer(conf)
    server.routes[f"GET {base}/secrets/creds"] = answer(creds)
    found, text = explained(pyrt, tmp_path / "pod.yaml", POD)
    assert " blue " in found["containers"][0]["command"][1]
    assert found["unknown"] == []
    assert "sesame" not in text


def test_objects_that_nobody_knows(pyrt: Pyrt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRT_SOCKET", str(tmp_path / "nobody"))
    found, text = explained(pyrt, tmp_path / "pod.yaml", POD)
    assert found["unknown"] == ["Secret default/creds", "ConfigMap default/conf"]
    assert "<password of Secret creds> <color of ConfigMap conf>" in found["containers"][0]["command"][1]
    assert "ConfigMap default/conf: nobody knows it" in text
