from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest

from pyrt.kube import decode, defaults
from pyrt.kube.admission import admit_pod
from pyrt.kube.decode import DecodeError
from pyrt.kube.job import Job
from pyrt.kube.manifest import load_documents
from pyrt.kube.pod import Pod
from pyrt.kube.validation import validate_pod_create

SEED = Path(__file__).resolve().parents[2] / "data/seed"


def pod_of(text: str) -> Pod:
    return decode.from_object(load_documents(text)[0], Pod)


def errors_of(text: str) -> list[str]:
    with pytest.raises(DecodeError) as caught:
        pod_of(text)
    assert str(caught.value) == "strict decoding error: " + ", ".join(caught.value.errors)
    return list(caught.value.errors)


def test_the_first_manifest_of_the_documentation() -> None:
    pod = pod_of((SEED / "nginx-pod.yaml").read_text())
    defaults.set_pod_defaults(pod)
    pod.metadata.namespace = "default"
    assert validate_pod_create(pod) == []
    container = pod.spec.containers[0]
    assert (container.name, container.image, container.image_pull_policy) == ("nginx", "nginx:latest", "Always")
    assert (container.ports[0].container_port, container.ports[0].protocol) == (80, "TCP")


def test_the_pod_of_the_second_manifests_template() -> None:
    job = decode.from_object(load_documents((SEED / "hello-job.yaml").read_bytes())[0], Job)
    template = job.spec.template
    pod = Pod(metadata=template.metadata, spec=template.spec)
    pod.metadata.name, pod.metadata.namespace = job.metadata.name, "default"
    defaults.set_pod_defaults(pod)
    assert validate_pod_create(pod) == []
    container = pod.spec.containers[0]
    assert container.command == ["sh", "-c", 'echo "Hello, Kubernetes!" && sleep 3600']
    assert container.image_pull_policy == "IfNotPresent"
    assert pod.spec.restart_policy == "OnFailure"


def test_unknown_fields_come_with_the_nearest_name() -> None:
    assert errors_of("metadata: {name: a}\nspec: {contianers: [{image: x}], zzz: 1}") == [
        'unknown field "spec.contianers" (did you mean "containers"?)',
        'unknown field "spec.zzz"',
    ]


def test_every_error_at_once_each_with_its_path() -> None:
    text = """
metadata: {name: 5, labels: {a: yes}}
spec:
  terminationGracePeriodSeconds: 99999999999999999999
  containers:
  - name: a
    command: sh
    args: [1]
    ports: [{containerPort: '80'}, {containerPort: 4294967296}]
    securityContext: {runAsUser: 1.5, privileged: 'yes', capabilities: []}
  - just text
"""
    assert errors_of(text) == [
        'metadata.name: expected string, got number (put it in quotes: "5")',
        'metadata.labels[a]: expected string, got boolean (put it in quotes: "true")',
        "spec.terminationGracePeriodSeconds: number 100000000000000000000 is out of the range of int64",
        "spec.containers[0].command: expected array, got string",
        'spec.containers[0].args[0]: expected string, got number (put it in quotes: "1")',
        "spec.containers[0].ports[0].containerPort: expected integer, got string",
        "spec.containers[0].ports[1].containerPort: number 4294967296 is out of the range of int32",
        "spec.containers[0].securityContext.runAsUser: expected integer, got number",
        "spec.containers[0].securityContext.privileged: expected boolean, got string",
        "spec.containers[0].securityContext.capabilities: expected object, got array",
        "spec.containers[1]: expected object, got string",
    ]


def test_null_is_absent() -> None:
    pod = pod_of(
        "metadata: {name: a, creationTimestamp: null, labels: {x: null}}\n"
        "spec: {containers: [{name: a, image: b, command: , args: [null]}], volumes: null}\nstatus: {}"
    )
    assert pod.metadata.creation_timestamp is None
    assert pod.metadata.labels == {"x": ""}
    assert pod.spec.containers[0].args == [""]


def test_numbers_may_stand_for_quantities() -> None:
    pod = pod_of("spec: {containers: [{name: a, resources: {limits: {cpu: 0.5, memory: 1e9}, requests: {cpu: 1}}}]}")
    defaults.set_pod_defaults(pod)
    assert pod.spec.containers[0].resources.limits == {"cpu": "500m", "memory": "1G"}
    assert pod.spec.containers[0].resources.requests["cpu"] == "1"


def test_ports_of_probes_are_numbers_or_names() -> None:
    text = "spec: {{containers: [{{name: a, livenessProbe: {{httpGet: {{port: {}}}}}}}]}}"
    for written, read in (("80", 80), ("web", "web")):
        probe = pod_of(text.format(written)).spec.containers[0].liveness_probe
        assert probe is not None
        assert probe.http_get is not None
        assert probe.http_get.port == read
    assert errors_of(text.format("[1]")) == [
        "spec.containers[0].livenessProbe.httpGet.port: expected integer or string, got array"
    ]


def test_json_bodies() -> None:
    body = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i"}]}}'
    pod = decode.from_json(body, Pod)
    assert pod.spec.containers[0].image == "i"
    assert decode.from_json(decode.to_json(pod), Pod) == pod
    with pytest.raises(DecodeError, match="invalid JSON"):
        decode.from_json(b"{", Pod)
    with pytest.raises(DecodeError, match="invalid JSON"):
        decode.from_json(b"[" * 100_000, Pod)
    with pytest.raises(DecodeError, match="expected object, got array"):
        decode.from_json(b"[]", Pod)


def test_unknown_fields_may_be_tolerated_but_wrong_types_never() -> None:
    tolerated: list[str] = []
    pod = decode.from_json(b'{"metadata":{"name":"a","nom":1},"spec":{"x":{}}}', Pod, tolerated=tolerated)
    assert pod.metadata.name == "a"
    assert tolerated == ['unknown field "metadata.nom"', 'unknown field "spec.x"']
    with pytest.raises(DecodeError, match=r"metadata\.name: expected string, got number"):
        decode.from_json(b'{"metadata":{"name":5,"nom":1}}', Pod, tolerated=[])


def test_a_field_that_stands_twice_is_refused_only_when_strict() -> None:
    body = b'{"metadata":{"name":"a","name":"b"}}'
    tolerated: list[str] = []
    assert decode.from_json(body, Pod, tolerated=tolerated).metadata.name == "b"
    assert tolerated == ['duplicate field "name"']
    with pytest.raises(DecodeError, match='duplicate field "name"'):
        decode.from_json(body, Pod)


SAMPLES = {
    "plain": "spec: {containers: [{name: a, image: b}]}",
    "rich": """
spec:
  restartPolicy: OnFailure
  hostname: web
  dnsPolicy: None
  dnsConfig: {nameservers: [192.0.2.1], searches: [a.example], options: [{name: ndots, value: "2"}]}
  hostAliases: [{ip: 192.0.2.9, hostnames: [db]}]
  securityContext: {runAsUser: 1000, supplementalGroups: [1], sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]}
  initContainers:
  - {name: i, image: b, restartPolicy: Always}
  containers:
  - name: a
    image: b
    command: [sh]
    env: [{name: A, value: b}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    ports: [{containerPort: 80, hostPort: 8080, name: web}]
    resources: {limits: {cpu: 500m, memory: 64Mi}}
    volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Enabled}]
    securityContext: {privileged: true, capabilities: {add: [NET_ADMIN]}, seccompProfile: {type: RuntimeDefault}}
    tty: true
  volumes:
  - {name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: h, hostPath: {path: /srv, type: DirectoryOrCreate}}
""",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_accepted_and_written_satisfies_the_published_schema(name: str) -> None:
    pod = pod_of("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: default}\n" + SAMPLES[name])
    defaults.set_pod_defaults(pod)
    admit_pod(pod)
    assert validate_pod_create(pod) == []
    kubernetes_validate.validate(decode.to_object(pod), "1.36", strict=True)
    assert decode.from_object(decode.to_object(pod), Pod) == pod
