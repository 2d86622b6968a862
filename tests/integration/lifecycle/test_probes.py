"""Probes as their user sees them: readiness in the status, restarts by liveness, startup before the others, events."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.lifecycle.conftest import FOREVER, container

SERVE = "mkdir -p /www; echo ok >/www/ok; exec httpd -f -p 8080 -h /www"


def probe(period=1, **handler):
    return {"periodSeconds": period, "failureThreshold": 1, **handler}


def http(path="/ok", port=8080, **more):
    return {"httpGet": {"path": path, "port": port, **more}}


def ready_reason(pod):
    return next(c.get("message", "") for c in pod["status"]["conditions"] if c["type"] == "Ready")


@pytest.mark.core
def test_readiness_follows_an_http_server(daemon, name, pod):
    fields = {"readinessProbe": probe(**http()), "ports": [{"name": "web", "containerPort": 8080}]}
    daemon.apply(pod(SERVE, container=fields))
    daemon.wait(f"pod/{name}", "condition=Ready")
    assert daemon.row(name)[1] == "1/1"
    daemon.exec(name, "rm", "/www/ok")
    daemon.condition(name, "Ready", "False")
    # It may have been asked before it listened, which is told as well.
    assert daemon.told(name, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")
    assert ready_reason(daemon.get(name)) == "containers with unready status: [app]"
    assert daemon.row(name)[1] == "0/1"
    daemon.exec(name, "touch", "/www/ok")
    daemon.condition(name, "ContainersReady", "True")
    assert container(daemon.get(name), "app")["restartCount"] == 0


def test_a_failed_liveness_probe_restarts_the_container(daemon, name, pod):
    script = f"touch /tmp/ok; {FOREVER}"
    fields = {"livenessProbe": probe(exec={"command": ["cat", "/tmp/ok"]})}
    daemon.apply(pod(script, container=fields, restartPolicy="Always"))
    daemon.running(name)
    daemon.exec(name, "rm", "/tmp/ok")
    status = daemon.restarted(name, "app", 1)
    assert status["lastState"]["terminated"]["exitCode"] == 0
    told = daemon.told(name, "Unhealthy")
    assert told["message"].startswith("Liveness probe failed: cat: can't open '/tmp/ok'")
    assert told["type"] == "Warning"
    assert told["involvedObject"]["fieldPath"] == "spec.containers{app}"
    killing = daemon.told(name, "Killing")["message"]
    assert killing == "Container app failed liveness probe, will be restarted"
    assert status["started"]


def test_a_container_that_may_not_restart_ends_when_its_liveness_probe_fails(daemon, name, pod):
    fields = {"livenessProbe": probe(exec={"command": ["false"]})}
    daemon.apply(pod(container=fields))
    daemon.phase(name, "Succeeded")
    assert daemon.told(name, "Killing")["message"] == "Container app failed liveness probe"


def test_a_failed_liveness_probe_has_its_own_grace(daemon, name, pod):
    fields = {"livenessProbe": probe(exec={"command": ["false"]}, terminationGracePeriodSeconds=1)}
    daemon.apply(pod("trap '' TERM; while :; do sleep 0.1; done", container=fields, terminationGracePeriodSeconds=3600))
    assert container(daemon.phase(name, "Failed"), "app")["state"]["terminated"]["exitCode"] == 137


def test_nothing_else_is_asked_until_the_startup_probe_succeeds(daemon, name, pod):
    fields = {
        "startupProbe": probe(exec={"command": ["cat", "/tmp/up"]}) | {"failureThreshold": 1000},
        "livenessProbe": probe(exec={"command": ["cat", "/tmp/up"]}),
        "readinessProbe": probe(exec={"command": ["sh", "-c", "echo asked >/tmp/asked"]}),
    }
    daemon.apply(pod(container=fields, restartPolicy="Always"))
    daemon.told(name, "Unhealthy", "Startup probe failed")
    status = container(daemon.get(name), "app")
    assert (status["started"], status["ready"], status["restartCount"]) == (False, False, 0)
    assert daemon.exec(name, "cat", "/tmp/asked")[0] == 1
    daemon.exec(name, "touch", "/tmp/up")
    daemon.condition(name, "Ready", "True")
    status = container(daemon.get(name), "app")
    assert (status["started"], status["ready"], status["restartCount"]) == (True, True, 0)


def test_a_container_that_does_not_start_is_restarted(daemon, name, pod):
    fields = {"startupProbe": probe(tcpSocket={"port": 81})}
    daemon.apply(pod(container=fields, restartPolicy="OnFailure"))
    daemon.restarted(name, "app", 1)
    assert "connect: connection refused" in daemon.told(name, "Unhealthy", "Startup probe failed: dial tcp")["message"]
    daemon.told(name, "Killing", "Container app failed startup probe, will be restarted")


def test_a_sidecar_holds_the_others_back_until_it_has_started(daemon, name, pod, shell):
    side = shell(
        "side",
        FOREVER,
        restartPolicy="Always",
        startupProbe=probe(exec={"command": ["cat", "/tmp/up"]}) | {"failureThreshold": 100},
    )
    daemon.apply(pod("echo app", initContainers=[side]))
    told = daemon.told(name, "Unhealthy", "Startup probe failed")
    assert told["involvedObject"]["fieldPath"] == "spec.initContainers{side}"
    found = daemon.get(name)
    assert "running" in container(found, "side")["state"]
    assert container(found, "app")["state"]["waiting"]["reason"] == "PodInitializing"
    daemon.exec(name, "touch", "/tmp/up", query="&container=side")
    daemon.phase(name, "Succeeded")


def test_an_exec_probe_that_takes_too_long_has_failed_and_is_killed(daemon, name, pod):
    fields = {"readinessProbe": probe(exec={"command": ["sh", "-c", "sleep 4321; true"]})}
    daemon.apply(pod(container=fields))
    told = daemon.told(name, "Unhealthy")["message"]
    assert told == 'Readiness probe failed: command timed out: "sh -c sleep 4321; true" timed out after 1s'
    daemon.wait_for(name, lambda _: daemon.told(name, "Unhealthy")["count"] >= 3)
    _, processes, _ = daemon.exec(name, "ps", "-o", "args")
    assert processes.count("sleep 4321") <= 2, processes  # one being asked: the shell and its child


def test_a_command_that_cannot_be_started_is_no_result(daemon, name, pod):
    fields = {"livenessProbe": probe(exec={"command": ["/no/such"]})}
    daemon.apply(pod(container=fields, restartPolicy="Always"))
    daemon.told(name, "Unhealthy", "Liveness probe errored and resulted in unknown state: ")
    assert container(daemon.get(name), "app")["restartCount"] == 0


def test_readiness_outlives_a_kill_of_the_daemon(own_daemon, name, pod):
    daemon = own_daemon
    fields = {"readinessProbe": probe(period=3600, **http()), "startupProbe": probe(**http())}
    daemon.apply(pod(SERVE, container=fields))
    before = daemon.condition(name, "Ready", "True")
    daemon.kill()
    daemon.start()
    now = daemon.wait_for(name, lambda found: container(found, "app"))
    assert container(now, "app")["ready"]
    assert container(now, "app")["started"]
    assert daemon.condition(name, "Ready", "True")["lastTransitionTime"] == before["lastTransitionTime"]


def test_a_probe_by_the_name_of_a_port_and_over_the_hosts_network(daemon, name, pod):
    port = 38471
    fields = {
        "ports": [{"name": "web", "containerPort": port}],
        "readinessProbe": probe(**http(port="web")),
        "livenessProbe": probe(tcpSocket={"port": "web", "host": "127.0.0.1"}),
    }
    daemon.apply(pod(SERVE.replace("8080", str(port)), container=fields, hostNetwork=True))
    daemon.wait(f"pod/{name}", "condition=Ready")


class _Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers)))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.example/")
        elif self.path == "/here":
            self.send_response(302)
            self.send_header("Location", "/there")
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A web server outside of any pod, which remembers what it was asked."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    found.requests = []
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_a_request_has_the_headers_asked_for_and_follows_redirects_on_its_host(daemon, name, pod, server):
    headers = [{"name": "Host", "value": "web.example"}, {"name": "X-Why", "value": "probe"}]
    fields = {
        "readinessProbe": probe(**http("/here", server.server_port, host="127.0.0.1", httpHeaders=headers)),
        "livenessProbe": probe(**http("/away", server.server_port, host="127.0.0.1")),
    }
    daemon.apply(pod(container=fields, restartPolicy="Always"))
    daemon.wait(f"pod/{name}", "condition=Ready")
    warning = daemon.told(name, "ProbeWarning")["message"]
    assert warning == "Liveness probe warning: Probe terminated redirects, Response body: "
    assert container(daemon.get(name), "app")["restartCount"] == 0
    asked = dict(server.requests)
    assert asked["/here"] == {
        "Host": "web.example",
        "Accept": "*/*",
        "User-Agent": "kube-probe/1.36",
        "X-Why": "probe",
        "Connection": "close",
    }
    assert "/there" in asked


def test_probes_that_cannot_be_are_refused_in_the_api_servers_words(daemon, name, pod):
    fields = {
        "livenessProbe": {"exec": {"command": []}, "tcpSocket": {"port": 0}, "successThreshold": 2},
        "readinessProbe": {"httpGet": {"path": "/", "port": 70000}, "terminationGracePeriodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 6}}},
    }
    said = daemon.apply(pod(container=fields), check=False)
    assert said.code == 1
    for line in (
        "spec.containers[0].livenessProbe.exec.command: Required value",
        "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set",
        "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 6: must be non-negative and less than",
    ):
        assert line in said.err, (line, json.dumps(said.err))


def test_a_grpc_server_says_how_it_is(daemon, name, pod):
    grpc = pytest.importorskip("grpc")
    health = {"": b"\x08\x01", "sick": b"\x08\x02"}

    class Health(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method == "/grpc.health.v1.Health/Check":
                return grpc.unary_unary_rpc_method_handler(lambda asked, _: health[asked[2:].decode()])
            return None

    with futures.ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((Health(),))
        port = server.add_insecure_port("0.0.0.0:0")
        server.start()
        fields = {
            "readinessProbe": probe(grpc={"port": port}),
            "livenessProbe": probe(grpc={"port": port, "service": "sick"}) | {"failureThreshold": 1000},
        }
        # On the host's network the pod's address is the node's, where the server is.
        daemon.apply(pod(container=fields, hostNetwork=True))
        daemon.wait(f"pod/{name}", "condition=Ready")
        told = daemon.told(name, "Unhealthy")["message"]
        assert told == 'Liveness probe failed: service unhealthy (responded with "NOT_SERVING")'
        server.stop(0).wait()


def test_https_with_a_certificate_that_nobody_signed(daemon, name, pod, server, tmp_path):
    key, certificate = str(tmp_path / "key"), str(tmp_path / "crt")
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody.else", "-days", "1"]
    subprocess.run(["openssl", *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    fields = {"readinessProbe": probe(**http("/secure", server.server_port, host="127.0.0.1", scheme="HTTPS"))}
    daemon.apply(pod(container=fields))
    daemon.wait(f"pod/{name}", "condition=Ready")
    assert "/secure" in dict(server.requests)
