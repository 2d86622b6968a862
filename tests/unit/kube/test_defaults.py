from __future__ import annotations

import copy

import pytest

from pyrt.kube.admission import admit_pod
from pyrt.kube.container import Container, ContainerPort
from pyrt.kube.decode import to_object
from pyrt.kube.defaults import pull_policy, set_pod_defaults
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.probes import ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.volumes import ConfigMapVolumeSource, HostPathVolumeSource, Volume


def test_the_smallest_pod_looks_like_one_from_a_cluster() -> None:
    pod = Pod(
        metadata=ObjectMeta(name="a", namespace="default"), spec=PodSpec(containers=[Container(name="c", image="i")])
    )
    set_pod_defaults(pod)
    admit_pod(pod)
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")
    ]
    assert to_object(pod) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "i",
                    "imagePullPolicy": "Always",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccount": "default",
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "tolerations": tolerations,
        },
        "status": {},
    }
    again = copy.deepcopy(pod)
    set_pod_defaults(again)
    admit_pod(again)
    assert again == pod


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
        ("nginx:latest@sha256:" + "0" * 64, "Always"),
    ],
)
def test_image_pull_policy(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_requests_follow_limits_and_figures_become_canonical() -> None:
    resources = ResourceRequirements(limits={"cpu": "0.5", "memory": "1024Mi"}, requests={"cpu": "100m"})
    pod = Pod(spec=PodSpec(containers=[Container(name="c", image="i", resources=resources)]))
    set_pod_defaults(pod)
    assert resources.limits == {"cpu": "500m", "memory": "1Gi"}
    assert resources.requests == {"cpu": "100m", "memory": "1Gi"}


def test_figures_are_rounded_up_to_thousandths() -> None:
    resources = ResourceRequirements(limits={"cpu": "0.0001"})
    set_pod_defaults(Pod(spec=PodSpec(containers=[Container(name="c", image="i", resources=resources)])))
    assert resources.limits == {"cpu": "1m"}


def test_ports() -> None:
    port = ContainerPort(container_port=80)
    pod = Pod(spec=PodSpec(containers=[Container(name="c", image="i", ports=[port])], host_network=True))
    set_pod_defaults(pod)
    assert (port.protocol, port.host_port) == ("TCP", 80)


def test_probes_and_hooks() -> None:
    probe = Probe(http_get=HTTPGetAction(port=80))
    hook = LifecycleHandler(http_get=HTTPGetAction(port=80))
    container = Container(
        name="c",
        image="i",
        liveness_probe=probe,
        readiness_probe=Probe(exec=ExecAction(command=["true"]), period_seconds=3),
        lifecycle=Lifecycle(post_start=hook),
    )
    set_pod_defaults(Pod(spec=PodSpec(containers=[container])))
    assert (probe.timeout_seconds, probe.period_seconds, probe.success_threshold, probe.failure_threshold) == (
        1,
        10,
        1,
        3,
    )
    assert container.readiness_probe is not None
    assert container.readiness_probe.period_seconds == 3
    assert hook.http_get is not None
    assert (hook.http_get.path, hook.http_get.scheme) == ("/", "HTTP")


def test_volumes() -> None:
    bare = Volume(name="a")
    host = Volume(name="b", host_path=HostPathVolumeSource(path="/x"))
    config = Volume(name="c", config_map=ConfigMapVolumeSource(name="m"))
    set_pod_defaults(Pod(spec=PodSpec(volumes=[bare, host, config])))
    assert bare.empty_dir is not None
    assert host.host_path is not None
    assert host.host_path.type == ""
    assert config.config_map is not None
    assert config.config_map.default_mode == 0o644
