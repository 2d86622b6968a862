from __future__ import annotations

import pytest

from pyrt.kube.decode import from_object
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.manifest import load_documents
from pyrt.kube.pod import Pod
from pyrt.kube.warnings import pod_warnings


def warnings(text: str) -> list[str]:
    pod = from_object(load_documents(text)[0], Pod)
    set_pod_defaults(pod)
    return pod_warnings(pod)


def of_container(text: str) -> list[str]:
    return warnings(f"spec: {{containers: [{{name: a, image: i, {text}}}]}}")


def test_nothing_to_say() -> None:
    assert of_container("env: [{name: A, value: b}], ports: [{containerPort: 80}]") == []


@pytest.mark.parametrize(
    ("env", "warned"),
    [
        ("{name: A, value: x}, {name: A, value: z}", True),
        ("{name: A, value: x}, {name: A, value: '$(A)'}", True),
        ("{name: A, value: x}, {name: A, value: '$(A):y'}", False),
        ("{name: A, value: x}, {name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}", True),
    ],
)
def test_variables_that_hide_others(env: str, warned: bool) -> None:
    text = 'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'
    assert of_container(f"env: [{env}]") == ([text] if warned else [])


@pytest.mark.parametrize(
    ("ports", "relation"),
    [
        ("{containerPort: 1}, {containerPort: 1}", "duplicate"),
        ("{containerPort: 1}, {containerPort: 1, hostPort: 2}", "overlapping"),
        (
            "{containerPort: 1, hostPort: 2}, {containerPort: 1, hostPort: 2, hostIP: 192.0.2.1}",
            "dangerously ambiguous",
        ),
    ],
)
def test_ports(ports: str, relation: str) -> None:
    text = f"spec.containers[0].ports[1]: {relation} port definition with spec.containers[0].ports[0]"
    assert of_container(f"ports: [{ports}]") == [text]


def test_ports_of_other_protocols_do_not_meet() -> None:
    assert of_container("ports: [{containerPort: 53}, {containerPort: 53, protocol: UDP}]") == []


def test_the_rest() -> None:
    assert of_container("ports: [{containerPort: 1, hostIP: 192.0.2.1}]")[0].startswith(
        "spec.containers[0].ports[0]: hostIP set without hostPort"
    )
    assert of_container("resources: {limits: {memory: 100m}}")[0] == (
        'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer'
    )
    assert warnings("spec: {hostAliases: [{ip: 192.0.2.1}, {ip: 192.0.2.1}], terminationGracePeriodSeconds: -1}") == [
        'spec.hostAliases[1].ip: duplicate ip "192.0.2.1"',
        "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
    ]
    assert warnings("metadata: {annotations: {seccomp.security.alpha.kubernetes.io/pod: x}}\nspec: {}") == [
        "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; "
        'use the "seccompProfile" field instead'
    ]
