"""Pods beyond their own limits of disk."""

from __future__ import annotations

import yaml

from pyrt.kube import decode
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.pod import Pod
from pyrt.pods.eviction.local import exceeded, is_limited
from pyrt.pods.eviction.usage import ContainerUsage, PodUsage, Space

MI = 1 << 20


def a_pod(spec: str) -> Pod:
    text = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {" + spec + "}}"
    pod = decode.from_object(yaml.safe_load(text), Pod)
    set_pod_defaults(pod)
    return pod


LIMITED = "containers: [{name: app, image: x, resources: {limits: {ephemeral-storage: 4Mi}}}, {name: other, image: x}]"
CACHE = "containers: [{name: app, image: x}], volumes: [{name: cache, emptyDir: {sizeLimit: 2Mi}}]"


def test_most_pods_have_no_limits_and_are_not_measured() -> None:
    assert not is_limited(a_pod("containers: [{name: app, image: x}], volumes: [{name: cache, emptyDir: {}}]"))
    assert is_limited(a_pod(LIMITED))
    assert is_limited(a_pod(CACHE))
    memory = CACHE.replace("sizeLimit", "medium: Memory, sizeLimit")
    assert not is_limited(a_pod(memory))  # the kernel keeps that one


def test_an_empty_dir() -> None:
    within = PodUsage(a_pod(CACHE), volumes={"cache": Space(2 * MI)})
    beyond = PodUsage(a_pod(CACHE), volumes={"cache": Space(2 * MI + 1)})
    assert exceeded(within) is None
    assert exceeded(beyond) == 'Usage of EmptyDir volume "cache" exceeds the limit "2Mi". '


def test_a_container_counts_its_layer_and_logs() -> None:
    used = {"app": ContainerUsage(layer=Space(3 * MI), logs=Space(2 * MI))}
    other = "{name: other, image: x"
    spec = LIMITED.replace(other, other + ", resources: {limits: {ephemeral-storage: 9Mi}}")
    assert exceeded(PodUsage(a_pod(spec), containers=used)) == (
        'Container app exceeded its local ephemeral storage limit "4Mi". '
    )
    assert exceeded(PodUsage(a_pod(spec), containers=used), own_imagefs=True) is None


def test_the_pod_counts_everything() -> None:
    used = {"other": ContainerUsage(logs=Space(2 * MI))}
    usage = PodUsage(a_pod(LIMITED), containers=used, volumes={"cache": Space(3 * MI)})
    assert exceeded(usage) == "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. "
