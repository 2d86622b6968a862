"""Resources of a pod as a whole: what they default to, and what they must agree with (KEP-2837)."""

from __future__ import annotations

import pytest
import yaml

from pyrt.kube import decode
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.pod import Pod
from pyrt.kube.qos import qos_class
from pyrt.kube.validation.pod_resources import validate_pod_resources


def a_pod(resources: str, *containers: str) -> Pod:
    made = ", ".join(f"{{name: c{n}, image: x, resources: {text}}}" for n, text in enumerate(containers or ("{}",)))
    spec = f"{{resources: {resources}, containers: [{made}]}}"
    text = f"{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {spec}}}"
    pod = decode.from_object(yaml.safe_load(text), Pod)
    set_pod_defaults(pod)
    return pod


@pytest.mark.parametrize(
    ("resources", "containers", "requests"),
    [
        ("{limits: {cpu: 1, memory: 1Gi}}", [], {"cpu": "1", "memory": "1Gi"}),
        (
            "{limits: {cpu: 1, memory: 1Gi}}",
            ["{requests: {cpu: 100m}}", "{limits: {cpu: 200m}}"],
            {"cpu": "300m", "memory": "1Gi"},
        ),
        ("{requests: {memory: 1Gi}}", ["{requests: {cpu: 100m}}"], {"memory": "1Gi"}),
        ("{requests: {cpu: 0.5}, limits: {cpu: 1}}", ["{requests: {memory: 3Mi}}"], {"cpu": "500m", "memory": "3Mi"}),
    ],
)
def test_requests_come_from_containers_or_limits(
    resources: str, containers: list[str], requests: dict[str, str]
) -> None:
    pod = a_pod(resources, *containers)
    assert pod.spec.resources is not None
    assert pod.spec.resources.requests == requests


def test_huge_pages_of_the_containers_are_summed() -> None:
    pages = "{limits: {hugepages-2Mi: 4Mi, memory: 1Mi}}"
    pod = a_pod("{limits: {memory: 1Gi}}", pages, pages)
    assert pod.spec.resources is not None
    assert pod.spec.resources.limits["hugepages-2Mi"] == "8Mi"
    assert pod.spec.resources.requests["hugepages-2Mi"] == "8Mi"


def test_the_pods_own_make_its_class() -> None:
    assert qos_class(a_pod("{limits: {cpu: 1, memory: 1Gi}}")) == "Guaranteed"
    assert qos_class(a_pod("{requests: {cpu: 1}}")) == "Burstable"


@pytest.mark.parametrize(
    ("resources", "containers", "words"),
    [
        (
            "{limits: {ephemeral-storage: 1Gi}}",
            [],
            'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: '
            '"cpu", "memory", "hugepages-"',
        ),
        (
            "{requests: {cpu: 100m}}",
            ["{requests: {cpu: 80m}}", "{requests: {cpu: 30m}}"],
            'spec.resources.requests[cpu]: Invalid value: "100m": must be greater than or equal to aggregate container '
            "requests of 110m",
        ),
        (
            "{limits: {memory: 64Mi}}",
            ["{limits: {memory: 65Mi}, requests: {memory: 1Mi}}"],
            'spec.resources.containers[0][memory].limits: Invalid value: "65Mi": must be less than or equal to pod '
            "limits of 64Mi",
        ),
        (
            "{requests: {memory: 65Mi}, limits: {memory: 64Mi}}",
            [],
            'spec.resources.requests: Invalid value: "65Mi": must be less than or equal to memory limit of 64Mi',
        ),
        (
            "{claims: [{name: gpu}]}",
            [],
            "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
        ),
    ],
)
def test_what_does_not_agree(resources: str, containers: list[str], words: str) -> None:
    pod = a_pod(resources, *containers)
    assert words in [str(error) for error in validate_pod_resources(pod.spec, "spec")]
