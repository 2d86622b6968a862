"""Rules of variables and volumes that are made from other objects, in the API server's words."""

from __future__ import annotations

import pytest

from tests.unit.kube.test_validation import SUBDOMAIN_HINT, errors_of

CONFIG_KEY_HINT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
MODE_HINT = "must be a number between 0 and 0777 (octal), both inclusive"
SIZES = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
E = "spec.containers[0].env[0].valueFrom"
F = "spec.containers[0].envFrom"
V = "spec.volumes[0]"


@pytest.mark.parametrize(
    ("source", "errors"),
    [
        ("configMapKeyRef: {name: a, key: b}", []),
        (
            "configMapKeyRef: {name: A_b, key: a/b}",
            [
                f'{E}.configMapKeyRef.name: Invalid value: "A_b": {SUBDOMAIN_HINT}',
                f'{E}.configMapKeyRef.key: Invalid value: "a/b": {CONFIG_KEY_HINT}',
            ],
        ),
        ("secretKeyRef: {name: a, key: ''}", [f"{E}.secretKeyRef.key: Required value"]),
        ("resourceFieldRef: {resource: limits.cpu, divisor: 1m}", []),
        ("resourceFieldRef: {resource: requests.hugepages-2Mi, divisor: 1Mi}", []),
        ("resourceFieldRef: {resource: ''}", [f"{E}.resourceFieldRef.resource: Required value"]),
        (
            "resourceFieldRef: {resource: limits.gpu}",
            [
                f'{E}.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", '
                '"limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", '
                '"requests.memory"'
            ],
        ),
        (
            "resourceFieldRef: {resource: limits.cpu, divisor: 1Mi}",
            [
                f'{E}.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are '
                "supported with the cpu resource"
            ],
        ),
        (
            "resourceFieldRef: {resource: limits.ephemeral-storage, divisor: 2Mi}",
            [
                f'{E}.resourceFieldRef.divisor: Invalid value: "limits.ephemeral-storage": only divisor\'s values '
                f"{SIZES} are supported with the local ephemeral storage resource"
            ],
        ),
        (
            "fileKeyRef: {volumeName: nowhere, path: ../a, key: A=}",
            [
                f'{E}.fileKeyRef.key: Invalid value: "A=": a valid environment variable name must consist only of '
                "printable ASCII characters other than '='",
                f"{E}.fileKeyRef.path: Invalid value: \"../a\": must not contain '..'",
                f'{E}.fileKeyRef.volumeName: Not found: "nowhere"',
            ],
        ),
        (
            "{fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: a, key: b}}",
            [f'{E}: Invalid value: "": may not have more than one field specified at a time'],
        ),
    ],
)
def test_value_from(source: str, errors: list[str]) -> None:
    source = source if source.startswith("{") else f"{{{source}}}"
    assert errors_of(container=f"env: [{{name: A, valueFrom: {source}}}]") == errors


def test_a_file_lies_in_an_empty_dir() -> None:
    container = "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: a, key: A}}}]"
    assert errors_of("volumes: [{name: v, emptyDir: {}}]", container=container) == []
    assert errors_of("volumes: [{name: v, hostPath: {path: /a}}]", container=container) == [
        f'{E}.fileKeyRef.volumeName: Invalid value: "v": referenced volume must be of type emptyDir'
    ]


@pytest.mark.parametrize(
    ("source", "errors"),
    [
        ("{prefix: 1.x-, configMapRef: {name: a}}", []),
        ("{configMapRef: {name: ''}}", [f"{F}[0].configMapRef.name: Required value"]),
        ("{secretRef: {name: A_}}", [f'{F}[0].secretRef.name: Invalid value: "A_": {SUBDOMAIN_HINT}']),
        (
            "{prefix: a=, secretRef: {name: a}}",
            [
                f'{F}[0].prefix: Invalid value: "a=": a valid environment variable name must consist only of printable '
                "ASCII characters other than '='"
            ],
        ),
        ("{}", [f'{F}: Invalid value: "": must specify one of: `configMapRef` or `secretRef`']),
        (
            "{configMapRef: {name: a}, secretRef: {name: a}}",
            [f'{F}: Invalid value: "": may not have more than one field specified at a time'],
        ),
    ],
)
def test_env_from(source: str, errors: list[str]) -> None:
    assert errors_of(container=f"envFrom: [{source}]") == errors


@pytest.mark.parametrize(
    ("source", "errors"),
    [
        ("configMap: {name: a, defaultMode: 0777, items: [{key: a, path: b/c, mode: 0}]}", []),
        ("configMap: {}", [f"{V}.configMap.name: Required value"]),
        (
            "secret: {defaultMode: 01000}",
            [
                f"{V}.secret.secretName: Required value",
                f"{V}.secret.defaultMode: Invalid value: 512: {MODE_HINT}",
            ],
        ),
        (
            "secret: {secretName: a, items: [{key: '', path: ''}, {key: a, path: /b, mode: -1}]}",
            [
                f"{V}.secret.items[0].key: Required value",
                f"{V}.secret.items[0].path: Required value",
                f'{V}.secret.items[1].path: Invalid value: "/b": must be a relative path',
                f"{V}.secret.items[1].mode: Invalid value: -1: {MODE_HINT}",
            ],
        ),
        (
            "configMap: {name: a, items: [{key: a, path: b/../c}, {key: a, path: ..data}]}",
            [
                f"{V}.configMap.items[0].path: Invalid value: \"b/../c\": must not contain '..'",
                f"{V}.configMap.items[1].path: Invalid value: \"..data\": must not start with '..'",
            ],
        ),
        ("downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.labels}}]}", []),
        (
            "downwardAPI: {items: [{path: a, fieldRef: {fieldPath: status.podIP}}, {path: b}]}",
            [
                f'{V}.downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: '
                '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
                f"{V}.downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
            ],
        ),
        (
            "downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}",
            [
                f"{V}.downwardAPI.resourceFieldRef.containerName: Required value",
            ],
        ),
        (
            "projected: {sources: [{secret: {name: a}, configMap: {name: b}}]}",
            [
                f"{V}.projected.sources[0]: Forbidden: may not specify more than 1 volume type per source",
            ],
        ),
        (
            "projected: {sources: [{secret: {}}, {downwardAPI: {items: ["
            "{path: a, fieldRef: {fieldPath: metadata.name}}, {path: a, fieldRef: {fieldPath: metadata.uid}}]}}]}",
            [
                f"{V}.projected.sources[0].secret.name: Required value",
                f'{V}.projected: Invalid value: "a": conflicting duplicate paths',
            ],
        ),
    ],
)
def test_volumes(source: str, errors: list[str]) -> None:
    assert errors_of(f"volumes: [{{name: v, {source}}}]") == errors
