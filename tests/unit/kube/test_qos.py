from __future__ import annotations

import pytest

from pyrt.kube.container import Container
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.qos import qos_class
from pyrt.kube.resources import ResourceRequirements

Figures = tuple[dict[str, str], dict[str, str]]
FULL = {"cpu": "1", "memory": "1Gi"}


def container(requests: dict[str, str], limits: dict[str, str]) -> Container:
    return Container(name="c", image="i", resources=ResourceRequirements(requests=requests, limits=limits))


@pytest.mark.parametrize(
    ("containers", "inits", "expected"),
    [
        ([({}, {})], [], "BestEffort"),
        ([({"ephemeral-storage": "1Gi"}, {})], [], "BestEffort"),
        ([({"cpu": "0"}, {})], [], "BestEffort"),
        ([({"cpu": "1"}, {})], [], "Burstable"),
        ([(FULL, FULL)], [], "Guaranteed"),
        ([({"cpu": "1000m", "memory": "1024Mi"}, FULL)], [], "Guaranteed"),
        ([(FULL, {"cpu": "2", "memory": "1Gi"})], [], "Burstable"),
        ([(FULL, FULL), ({}, {})], [], "Burstable"),
        ([(FULL, FULL)], [({}, {})], "Burstable"),
        ([(FULL, FULL)], [(FULL, FULL)], "Guaranteed"),
        ([({}, {"memory": "1Gi"})], [], "Burstable"),
    ],
)
def test_classes(containers: list[Figures], inits: list[Figures], expected: str) -> None:
    spec = PodSpec(
        containers=[container(*figures) for figures in containers],
        init_containers=[container(*figures) for figures in inits],
    )
    assert qos_class(Pod(spec=spec)) == expected


def test_resources_of_the_pod_win() -> None:
    spec = PodSpec(containers=[container({}, {})], resources=ResourceRequirements(requests=FULL, limits=FULL))
    assert qos_class(Pod(spec=spec)) == "Guaranteed"
