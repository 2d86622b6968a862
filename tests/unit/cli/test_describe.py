from __future__ import annotations

from typing import Any

from pyrt.cli.describe.writer import Writer
from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS
from tests.unit.client.server import Server, answer

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web", "namespace": "default", "uid": "u1", "labels": {"b": "2", "a": "1"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "spec": {
        "nodeName": "node",
        "containers": [{
            "name": "app", "image": "nginx", "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}],
            "command": ["sh", "-c", "echo 1\necho 2"],
            "env": [
                {"name": "A", "value": "x"},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "resources": {"limits": {"memory": "64Mi"}},
            "livenessProbe": {"httpGet": {"port": 80, "path": "/"}, "periodSeconds": 5},
            "volumeMounts": [{"name": "cache", "mountPath": "/cache", "readOnly": True}],
        }],
        "volumes": [{"name": "cache", "emptyDir": {}}],
    },
    "status": {
        "phase": "Running", "hostIP": "192.0.2.1", "podIP": "10.231.0.2",
        "podIPs": [{"ip": "10.231.0.2"}, {"ip": "fd00::2"}], "qosClass": "Burstable",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "app", "containerID": "pyrt://abc", "imageID": "nginx@sha256:1", "ready": False, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        }],
    },
}  # fmt: skip
EVENT = {
    "metadata": {"name": "e", "namespace": "default"}, "type": "Warning", "reason": "BackOff",
    "message": "back-off\nmore",
    "involvedObject": {"kind": "Pod", "name": "web"}, "source": {"component": "pyrt"},
    "firstTimestamp": "2020-01-01T00:00:00Z", "lastTimestamp": "2020-01-01T00:00:00Z", "count": 3,
}  # fmt: skip
EXPECTED = """\
Name:         web
Namespace:    default
Node:         node/192.0.2.1
Labels:       a=1
              b=2
Annotations:  <none>
Status:       Running
IP:           10.231.0.2
IPs:
  IP:  10.231.0.2
  IP:  fd00::2
Containers:
  app:
    Container ID:  pyrt://abc
    Image:         nginx
    Image ID:      nginx@sha256:1
    Port:          80/TCP
    Host Port:     8080/TCP
    Command:
      sh
      -c
      echo 1
      echo 2
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Started:
      Finished:
    Ready:          False
    Restart Count:  2
    Limits:
      memory:  64Mi
    Liveness:  http-get http://:80/ delay=0s timeout=1s period=5s #success=1 #failure=3
    Environment:
      A:   x
      IP:   (v1:status.podIP)
    Mounts:
      /cache from cache (ro)
Conditions:
  Type    Status
  Ready   False
Volumes:
  cache:
    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:
    SizeLimit:   <unset>
QoS Class:       Burstable
Node-Selectors:  <none>
Tolerations:     <none>
Events:
  Type     Reason   Age                From  Message
  ----     ------   ----               ----  -------
"""


def test_a_pod(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {
        f"GET {PODS}/web": answer(POD),
        "GET /api/v1/namespaces/default/events": answer({"items": [EVENT]}),
    }
    lines = pyrt("describe", "pod", "web").out.splitlines()
    expected = EXPECTED.splitlines()
    assert lines[: len(expected) - 2] == expected[:-2]
    assert lines[-1].split() == ["Warning", "BackOff", *lines[-1].split()[2:6], "pyrt", "back-off"]
    assert server.asked[1].query == {"fieldSelector": ["involvedObject.name=web,involvedObject.uid=u1"]}


def test_names_that_begin_so(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {
        f"GET {PODS}": answer({"items": [POD]}),
        "GET /api/v1/namespaces/default/events": answer({"items": []}),
    }
    assert pyrt("describe", "pod", "we").out.startswith("Name:         web\n")
    result = pyrt("describe", "pod", "x")
    assert result.code == 1
    assert "NotFound" in result.err


def test_any_other_object(server: Server, pyrt: Pyrt) -> None:
    item = {
        "metadata": {"name": "n"},
        "status": {"nodeInfo": {"kernelVersion": "6.1"}, "addresses": [{"type": "Hostname"}]},
    }
    server.routes |= {"GET /api/v1/namespaces/n": answer(item), "GET /api/v1/events": answer({"items": []})}
    out = pyrt("describe", "namespace", "n").out
    assert "Kernel Version:  6.1" in out
    assert out.splitlines()[-1].split() == ["Events:", "<none>"]


NODE: dict[str, Any] = {
    "metadata": {"name": "n", "uid": "m", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a": "b"}},
    "status": {
        "capacity": {"cpu": "2", "memory": "1Gi", "pods": "10"},
        "allocatable": {"cpu": "2", "memory": "1Gi", "pods": "10", "hugepages-2Mi": "0"},
        "conditions": [{
            "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "KubeletReady", "message": "ready",
        }],
        "nodeInfo": {"kernelVersion": "6.1"},
        "addresses": [{"type": "Hostname", "address": "n"}],
    },
}  # fmt: skip


def test_the_node_and_who_asks_for_what(server: Server, pyrt: Pyrt) -> None:
    def pod(name: str, phase: str, **resources: Any) -> dict[str, Any]:
        containers = [{"name": "app", "image": "x", "resources": resources}]
        return {
            "metadata": {"name": name, "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"containers": containers},
            "status": {"phase": phase},
        }

    asked = {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
    pods = [pod("web", "Running", **asked), pod("job", "Succeeded", **asked), pod("none", "Pending")]
    event = EVENT | {"type": "Warning", "reason": "EvictionThresholdMet", "message": "Attempting to reclaim memory"}
    server.routes |= {
        "GET /api/v1/nodes/n": answer(NODE),
        "GET /api/v1/pods": answer({"items": pods}),
        "GET /api/v1/events": answer({"items": [event]}),
    }
    lines = [line.split() for line in pyrt("describe", "node", "n").out.splitlines()]
    assert ["Non-terminated", "Pods:", "(2", "in", "total)"] in lines
    row = next(line for line in lines if line[:2] == ["default", "web"])
    assert row[2:10] == ["250m", "(12%)", "0", "(0%)", "256Mi", "(25%)", "2Gi", "(200%)"]
    assert ["cpu", "250m", "(12%)", "0", "(0%)"] in lines
    assert ["memory", "256Mi", "(25%)", "2Gi", "(200%)"] in lines
    assert ["hugepages-2Mi", "0", "(0%)", "0", "(0%)"] in lines
    assert any(line[:1] == ["Ready"] and line[-2:] == ["KubeletReady", "ready"] for line in lines)
    assert any("EvictionThresholdMet" in line for line in lines)


def test_events(server: Server, pyrt: Pyrt) -> None:
    server.routes["GET /api/v1/namespaces/default/events"] = answer({"items": [EVENT]})
    header, line = pyrt("events", "--for", "pod/web").out.splitlines()
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert line.split()[1:3] == ["(x3", "over"]
    assert line.endswith("Pod/web   back-off...")
    assert server.asked[0].query == {"fieldSelector": ["involvedObject.kind=Pod,involvedObject.name=web"]}
    server.routes["GET /api/v1/namespaces/default/events"] = answer({"items": []})
    assert pyrt("events").err == "No events found in default namespace.\n"
    assert "valid --types" in pyrt("events", "--types=Odd").err


def test_columns_end_with_the_lines_that_have_them() -> None:
    out = Writer()
    out.line("a:", "1")
    out.line("long key:", "2")
    out.line("section")
    out.line("b:", "3")
    assert out.text() == "a:         1\nlong key:  2\nsection\nb:  3\n"


def test_top(server: Server, pyrt: Pyrt) -> None:
    usage = {"cpu": "2500000n", "memory": "3145728"}
    pods = [
        {
            "metadata": {"name": "web", "namespace": "default"},
            "containers": [{"name": "a", "usage": usage}, {"name": "b", "usage": usage}],
        }
    ]
    server.routes["GET /apis/metrics.k8s.io/v1beta1/namespaces/default/pods"] = answer({"items": pods})
    assert pyrt("top", "pods").out == "NAME   CPU(cores)   MEMORY(bytes)\nweb    5m           6Mi\n"
    assert pyrt("top", "pod", "--containers", "--no-headers").out.splitlines()[0].split() == ["web", "a", "2m", "3Mi"]
    server.routes["GET /api/v1/nodes"] = answer(
        {"items": [{"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}}}]}
    )
    metrics = {"items": [{"metadata": {"name": "n"}, "usage": {"cpu": "500m", "memory": "512Mi"}}]}
    server.routes["GET /apis/metrics.k8s.io/v1beta1/nodes"] = answer(metrics)
    assert pyrt("top", "node").out.splitlines()[1].split() == ["n", "500m", "25%", "512Mi", "50%"]


def test_what_containers_say_cannot_steer_the_terminal() -> None:
    """CVE-2021-25743: escape sequences in messages, names, events."""
    writer = Writer()
    writer.line("Message:", "\x1b[2Jgone\x9b31m\rfake \u202etxt.exe\x07")
    assert writer.text() == "Message:  ^[[2Jgone\\x9b31m^Mfake \\u202etxt.exe^G\n"
