"""Asking for what is not there or cannot be now: kubectl's words and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.integration.daemon.conftest import PODS, ApiFailure

from .conftest import FOREVER, ROOT

NOT_FOUND = 'Error from server (NotFound): pods "none" not found\n'


@pytest.mark.parametrize(
    "words",
    [
        ("get", "pod", "none"),
        ("describe", "pod", "none"),
        ("delete", "pod", "none"),
        ("logs", "none"),
        ("exec", "none", "--", "true"),
        ("attach", "none"),
        ("port-forward", "none", ":80"),
        ("wait", "--for=condition=Ready", "pod/none", "--timeout=5s"),
    ],
    ids=lambda words: words[0],
)
def test_a_pod_that_is_not_there(daemon, words):
    said = daemon.pyrt(*words)
    assert (said.code, said.out, said.err) == (1, "", NOT_FOUND)


def test_a_deletion_that_does_not_mind(daemon):
    assert daemon.pyrt("delete", "pod", "none", "--ignore-not-found").code == 0


def test_a_file_of_pods_that_are_not_there(daemon, pod):
    said = daemon.pyrt("delete", "-f", "-", stdin=json.dumps(pod("none", "true")))
    assert said.code == 1
    assert 'pods "none" not found' in said.err


def test_logs_of_a_container_that_waits(daemon, pod):
    daemon.create(pod("web", "true", container={"image": "no:image", "imagePullPolicy": "Never"}))
    daemon.waiting("web", "ErrImageNeverPull")
    said = daemon.pyrt("logs", "web")
    assert said.code == 1
    assert said.err == (
        'Error from server (BadRequest): container "app" in pod "web" is waiting to start: ErrImageNeverPull\n'
    )


def test_exec_in_a_container_that_waits(daemon, pod):
    daemon.create(pod("web", "true", container={"image": "no:image", "imagePullPolicy": "Never"}))
    daemon.waiting("web", "ErrImageNeverPull")
    said = daemon.pyrt("exec", "web", "--", "true")
    assert said.code == 1
    assert "container" in said.err
    assert "app" in said.err


def test_exec_in_a_pod_that_has_ended(daemon, pod):
    daemon.create(pod("web", "true"))
    daemon.phase("web", "Succeeded")
    said = daemon.pyrt("exec", "web", "--", "true")
    assert said.code == 1
    assert "cannot exec into a container in a completed pod; current phase is Succeeded" in said.err


@pytest.mark.parametrize("words", [("exec", "web", "-c", "other", "--", "true"), ("logs", "web", "-c", "other")])
def test_a_container_that_is_not_there(daemon, pod, words):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    said = daemon.pyrt(*words)
    assert said.code == 1
    assert "container other" in said.err.replace('"', "")
    assert "web" in said.err


def test_previous_logs_of_a_container_that_never_restarted(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    said = daemon.pyrt("logs", "web", "--previous")
    assert said.code == 1
    assert 'previous terminated container "app" in pod "web" not found' in said.err


@pytest.mark.parametrize(("command", "code"), [("/no/such", 127), ("/etc/passwd", 126)])
def test_exec_of_what_cannot_run(daemon, pod, command, code):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    said = daemon.pyrt("exec", "web", "--", command)
    assert said.code == code
    assert command in said.err
    assert daemon.pyrt("exec", "web", "--", "true").code == 0


def test_a_port_that_nobody_listens_on(daemon, pod):
    """The connection is closed, the error is told, and forwarding goes on."""
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    import socket

    command = [sys.executable, "-m", "pyrt.cli", "--config", str(daemon.file), "port-forward", "web", ":81"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.split("127.0.0.1:")[1].split()[0])
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                assert client.recv(1) == b""
        process.terminate()
        assert "81" in process.communicate()[1]


def test_waiting_in_vain(daemon, pod):
    daemon.create(pod("web", "exit 1"))
    daemon.phase("web", "Failed")
    said = daemon.pyrt("wait", "--for=condition=Ready", "pod/web", "--timeout=1s")
    assert said.code == 1
    assert said.err == "error: timed out waiting for the condition on pods/web\n"


def test_a_run_whose_command_fails(daemon):
    words = ("run", "web", "--rm", "-i", "--restart=Never", "--image=busybox:1.36", "--", "sh", "-c", "exit 9")
    said = daemon.pyrt(*words)
    assert said.code == 9
    assert daemon.get("web") is None


def test_a_namespace_that_is_not_there(daemon, pod):
    with pytest.raises(ApiFailure, match='namespaces "nowhere" not found'):
        daemon.call("POST", PODS.replace("default", "nowhere"), pod("web", "true"))


@pytest.mark.parametrize(
    ("method", "target", "body", "code"),
    [
        ("POST", PODS, b"{", 400),
        ("POST", PODS, b"[]", 400),
        ("POST", PODS, b"", 400),
        ("POST", PODS, b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "\\ud800"}}', 400),
        ("PUT", PODS, b"{}", 405),
        ("GET", PODS + "?labelSelector=a%20b%20c", b"", 400),
        ("GET", PODS + "?fieldSelector=nonsense", b"", 400),
        ("GET", PODS + "?limit=many", b"", 400),
        ("GET", PODS + "?resourceVersion=abc", b"", 400),
        ("GET", "/api/v1/nonsense", b"", 404),
        ("GET", PODS + "/..%2f..%2fetc", b"", 404),
    ],
)
def test_requests_that_make_no_sense(daemon, method, target, body, code):
    from pyrt.client.http import Request, send

    request = Request(method, target, {"Content-Type": "application/json"}, body)
    with send(daemon.socket, request, timeout=30) as response:
        status = json.loads(response.read())
    assert (response.status, status["kind"], status["code"]) == (code, "Status", code)
    assert status["message"]
