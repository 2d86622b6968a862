"""What ``pyrt describe pod`` says of variables and volumes that come from other objects, as kubectl has it."""

from __future__ import annotations

from typing import Any

from tests.unit.cli.conftest import Pyrt
from tests.unit.client.server import Server, answer

PODS = "/api/v1/namespaces/default/pods"


def described(server: Server, pyrt: Pyrt, container: dict[str, Any], **spec: Any) -> list[str]:
    """The lines, blanks between columns made one."""
    pod = {
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"app": "shop"}},
        "spec": {"containers": [{"name": "app", "image": "x", **container}], **spec},
    }
    server.routes[f"GET {PODS}/web"] = answer(pod)
    return [" ".join(line.split()) for line in pyrt("describe", "pod", "web", "--show-events=false").out.splitlines()]


def test_variables(server: Server, pyrt: Pyrt) -> None:
    def one(name: str, **source: Any) -> dict[str, Any]:
        return {"name": name, "valueFrom": source}

    container = {
        "envFrom": [{"prefix": "A_", "configMapRef": {"name": "conf"}}, {"secretRef": {"name": "s", "optional": True}}],
        "resources": {"limits": {"memory": "64Mi"}},
        "env": [
            {"name": "LINES", "value": "one\ntwo"},
            one("LABEL", fieldRef={"apiVersion": "v1", "fieldPath": "metadata.labels['app']"}),
            one("IP", fieldRef={"apiVersion": "v1", "fieldPath": "status.podIP"}),
            one("MEM", resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"}),
            one("CPU", resourceFieldRef={"resource": "limits.cpu", "divisor": "0"}),
            one("COLOR", configMapKeyRef={"name": "conf", "key": "color"}),
            one("PW", secretKeyRef={"name": "creds", "key": "pw", "optional": True}),
            one("F", fileKeyRef={"volumeName": "work", "path": "vars", "key": "K"}),
        ],
    }
    lines = described(server, pyrt, container)
    start = lines.index("Environment Variables from:")
    assert lines[start + 1 : start + 14] == [
        "conf ConfigMap with prefix 'A_' Optional: false",
        "s Secret Optional: true",
        "Environment:",
        "LINES: one",
        "two",
        "LABEL: shop (v1:metadata.labels['app'])",
        "IP: (v1:status.podIP)",
        "MEM: 64 (limits.memory)",
        "CPU: node allocatable (limits.cpu)",
        "COLOR: <set to the key 'color' of config map 'conf'> Optional: false",
        "PW: <set to the key 'pw' in secret 'creds'> Optional: true",
        "F: <set to the key 'K' in file 'vars' of volume 'work'> Optional: false",
        "Mounts: <none>",
    ]


def test_volumes(server: Server, pyrt: Pyrt) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "app", "resource": "limits.cpu"}},
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "a", "configMap": {"name": "conf", "optional": True}},
        {"name": "b", "secret": {"secretName": "creds"}},
        {"name": "c", "downwardAPI": {"items": items}},
        {
            "name": "d",
            "projected": {
                "sources": [{"secret": {"name": "creds"}}, {"configMap": {"name": "conf"}}, {"downwardAPI": {}}]
            },
        },
    ]
    lines = described(server, pyrt, {}, volumes=volumes)
    start = lines.index("Volumes:")
    assert lines[start + 1 : lines.index("QoS Class: <none>")] == [
        "a:",
        "Type: ConfigMap (a volume populated by a ConfigMap)",
        "Name: conf",
        "Optional: true",
        "b:",
        "Type: Secret (a volume populated by a Secret)",
        "SecretName: creds",
        "Optional: false",
        "c:",
        "Type: DownwardAPI (a volume populated by information about the pod)",
        "Items:",
        "metadata.labels -> labels",
        "limits.cpu -> cpu",
        "d:",
        "Type: Projected (a volume that contains injected data from multiple sources)",
        "SecretName: creds",
        "Optional: false",
        "ConfigMapName: conf",
        "Optional: false",
        "DownwardAPI: true",
    ]
