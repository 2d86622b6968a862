"""What the resize subresource may change, in the API server's words."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import yaml

from pyrt.kube import decode
from pyrt.kube.admission import admit_pod
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.pod import Pod
from pyrt.kube.resize import keep_resize_only, validate_pod_resize
from pyrt.kube.resources import ContainerResizePolicy, ResourceRequirements

BASE = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, uid: u1, labels: {a: b}}
spec:
  initContainers:
  - {name: init, image: x, resources: {requests: {cpu: 10m}}}
  - {name: side, image: x, restartPolicy: Always, resources: {requests: {cpu: 10m}}}
  containers:
  - {name: app, image: x, resources: {requests: {cpu: 100m, memory: 32Mi}, limits: {memory: 64Mi}}}
  - {name: other, image: x}
"""


def a_pod(text: str = BASE) -> Pod:
    pod = decode.from_object(yaml.safe_load(text), Pod)
    set_pod_defaults(pod)
    admit_pod(pod)
    return pod


def problems(change: Callable[[Pod], object], base: str = BASE) -> list[str]:
    old, new = a_pod(base), a_pod(base)
    change(new)
    set_pod_defaults(new)
    return [str(error) for error in validate_pod_resize(new, old)]


def test_cpu_and_memory_of_containers_and_sidecars() -> None:
    def change(pod: Pod) -> None:
        pod.spec.containers[0].resources.requests |= {"cpu": "200m", "memory": "64Mi"}
        pod.spec.containers[0].resources.limits |= {"memory": "128Mi", "cpu": "1"}
        pod.spec.init_containers[1].resources.requests["memory"] = "1Mi"
        pod.spec.containers[1].resources.requests["cpu"] = "1m"

    assert problems(change) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda pod: pod.spec.containers[0].resources.limits.clear(),
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            lambda pod: pod.spec.containers[0].resources.requests.pop("cpu"),
            "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
        ),
        (
            lambda pod: pod.spec.containers[0].resources.limits.update({"ephemeral-storage": "1Gi"}),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            lambda pod: setattr(pod.spec.containers[0], "image", "y"),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            lambda pod: pod.spec.init_containers[0].resources.requests.update({"cpu": "20m"}),
            "spec: Forbidden: resources for non-sidecar init containers are immutable",
        ),
        (
            lambda pod: setattr(pod.spec.init_containers[1], "image", "y"),
            "spec.initContainers[1]: Forbidden: "
            "only cpu and memory resources for init or sidecar containers are mutable",
        ),
        (
            lambda pod: pod.spec.containers.pop(),
            "spec.containers: Forbidden: containers may not be added or removed on resize",
        ),
        (
            lambda pod: pod.spec.containers.reverse(),
            "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize",
        ),
        (
            lambda pod: setattr(pod.spec, "host_network", True),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            lambda pod: pod.spec.containers[0].resources.requests.update({"memory": "128Mi"}),
            'spec.containers[0].resources.requests: Invalid value: "128Mi": must be less than or equal to memory limit '
            "of 64Mi",
        ),
    ],
)
def test_what_it_may_not(change: Callable[[Pod], object], words: str) -> None:
    assert words in problems(change)


def test_the_class_stays() -> None:
    base = BASE.replace("{requests: {cpu: 100m, memory: 32Mi}, limits: {memory: 64Mi}}", "{requests: {cpu: 100m}}")
    base = base.replace(", resources: {requests: {cpu: 10m}}", "").replace(", resources: {requests: {cpu: 100m}}", "")

    def change(pod: Pod) -> None:
        pod.spec.containers[0].resources = ResourceRequirements(requests={"cpu": "1m"})

    assert problems(change, base) == [
        'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'
    ]


def test_static_pods_stay_as_they_are() -> None:
    old = a_pod()
    old.metadata.annotations["kubernetes.io/config.mirror"] = "hash"
    assert [e.message for e in validate_pod_resize(a_pod(), old)] == ["Forbidden: static pods cannot be resized"]


def test_resources_of_the_pod_itself() -> None:
    base = BASE + "  resources: {limits: {cpu: '1', memory: 1Gi}}\n"

    def grow(pod: Pod) -> None:
        assert pod.spec.resources is not None
        pod.spec.resources.limits["cpu"] = "2"

    def remove(pod: Pod) -> None:
        pod.spec.resources = None

    assert problems(grow, base) == []
    assert "spec.resources: Forbidden: pod-level resources cannot be removed" in problems(remove, base)


def test_what_else_a_request_carries_is_dropped() -> None:
    old, new = a_pod(), a_pod()
    new.spec.containers[0].resources.limits["memory"] = "128Mi"
    new.spec.containers[0].resize_policy = [
        ContainerResizePolicy(resource_name="memory", restart_policy="RestartContainer")
    ]
    new.spec.containers[0].image = "y"
    new.spec.host_network = True
    new.metadata.labels = {}
    wanted = copy.deepcopy(new.spec.containers[0].resources)
    keep_resize_only(new, old)
    assert new.spec.containers[0].resources == wanted
    assert (new.spec.containers[0].image, new.spec.host_network, new.metadata.labels) == ("x", False, {"a": "b"})
    assert new.spec.containers[0].resize_policy
