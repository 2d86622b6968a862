"""postStart and preStop: what they hold up, what their failure does, what they take from the grace."""

from __future__ import annotations

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.lifecycle.conftest import FOREVER, container

DATA = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
VOLUMES = [{"name": "data", "emptyDir": {}}]


def hook(point, **handler):
    return {"lifecycle": {point: handler}}


def told(daemon, name, reason):
    """Wait for an event of a pod that may be gone."""

    def find():
        events = daemon.call("GET", "/api/v1/namespaces/default/events")["items"]
        return [e for e in events if e["involvedObject"]["name"] == name and e["reason"] == reason]

    return daemon.until(find)[0]


def script(text):
    return {"exec": {"command": ["sh", "-c", text]}}


@pytest.mark.core
def test_a_container_waits_for_the_post_start_hook_of_the_one_before(daemon, name, pod, shell):
    first = hook("postStart", **script("until [ -e /data/go ]; do sleep 0.05; done; echo hook >>/data/order"))
    second = shell("second", f"echo second >>/data/order; {FOREVER}", **DATA)
    made = pod(container={**DATA, **first}, volumes=VOLUMES)
    made["spec"]["containers"].append(second)
    daemon.apply(made)
    daemon.told(name, "Started")
    found = daemon.get(name)
    assert found["status"]["phase"] == "Pending"
    assert container(found, "app")["state"]["waiting"]["reason"] == "ContainerCreating"
    assert "containerID" not in container(found, "second")
    daemon.until(lambda: daemon.exec(name, "touch", "/data/go", query="&container=app")[0] == 0)
    daemon.running(name)
    order = ("cat", "/data/order")  # it runs, and has written nothing yet
    daemon.until(lambda: daemon.exec(name, *order, query="&container=second")[1] == "hook\nsecond\n")


def test_a_failed_post_start_hook_kills_its_container(daemon, name, pod):
    failing = hook("postStart", **script("echo out; echo why >&2; exit 3"))
    daemon.apply(pod(container=failing, restartPolicy="Always"))
    found = daemon.state(name, "app", "waiting", "PostStartHookError")
    message = found["state"]["waiting"]["message"]
    assert message.startswith(
        'Exec lifecycle hook ([sh -c echo out; echo why >&2; exit 3]) for Container "app" in Pod "'
    )
    assert message.endswith('exited with 3: why\n, message: "out\nwhy\n"')
    assert daemon.told(name, "FailedPostStartHook")["message"] == "PostStartHook failed"
    daemon.told(name, "Killing", "FailedPostStartHook")
    assert found["restartCount"] >= 1


def test_a_pod_that_may_not_restart_fails_with_its_hook(daemon, name, pod):
    daemon.apply(
        pod("exec sleep 1000", container=hook("postStart", tcpSocket={"port": 80}), terminationGracePeriodSeconds=2)
    )
    ended = container(daemon.phase(name, "Failed"), "app")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")


def test_probes_begin_after_the_post_start_hook(daemon, name, pod):
    fields = hook("postStart", sleep={"seconds": 1})
    fields["readinessProbe"] = {"exec": {"command": ["cat", "/etc/passwd"]}, "periodSeconds": 1}
    daemon.apply(pod(container=fields))
    daemon.wait(f"pod/{name}", "condition=Ready")
    assert not [e for e in daemon.events(name) if e["reason"] == "Unhealthy"]


def test_the_pre_stop_hook_comes_before_the_signal(daemon, name, pod):
    text = "trap 'echo signal; exit 0' TERM; while :; do sleep 0.05; done"
    fields = hook("preStop", **script("sleep 0.3; echo hook >/proc/1/fd/1"))
    daemon.apply(pod(text, container=fields, terminationGracePeriodSeconds=30))
    daemon.running(name)
    stream = Following(daemon, name)
    daemon.delete(name)
    assert stream.text() == "hook\nsignal\n"
    daemon.gone(name)
    assert told(daemon, name, "Killing")["message"] == "Stopping container app"


def test_a_failed_pre_stop_hook_is_told_and_changes_nothing(daemon, name, pod):
    daemon.apply(pod(container=hook("preStop", **script("exit 1")), terminationGracePeriodSeconds=30))
    daemon.running(name)
    daemon.delete(name)
    daemon.gone(name)
    event = told(daemon, name, "FailedPreStopHook")
    assert (event["type"], event["message"]) == ("Warning", "PreStopHook failed")


def test_hooks_of_sidecars_run_at_once_but_their_signals_come_last(daemon, name, pod, shell):
    def note(who):
        return f"trap 'echo {who} >>/data/order; exit 0' TERM; while :; do sleep 0.05; done"

    side = [
        shell(
            f"side{i}",
            note(f"side{i}"),
            restartPolicy="Always",
            **DATA,
            **hook("preStop", **script("echo hook >>/data/order")),
        )
        for i in (1, 2)
    ]
    waits = hook("preStop", **script("until [ $(grep -c hook /data/order) = 2 ]; do sleep 0.05; done"))
    host = f"/var/tmp/{name}"
    volumes = [{"name": "data", "hostPath": {"path": host, "type": "DirectoryOrCreate"}}]
    daemon.apply(
        pod(
            note("app"),
            container={**DATA, **waits},
            initContainers=side,
            volumes=volumes,
            terminationGracePeriodSeconds=30,
        )
    )
    daemon.running(name)
    daemon.exec(name, "touch", "/data/order", query="&container=app")
    daemon.delete(name)
    daemon.gone(name)
    try:
        with open(f"{host}/order") as file:
            assert file.read().split() == ["hook", "hook", "app", "side2", "side1"]
    finally:
        shutil.rmtree(host)


def test_a_hook_that_takes_all_the_grace_leaves_two_seconds(daemon, name, pod):
    fields = hook("preStop", sleep={"seconds": 2})
    text = "trap 'echo asked; exit 0' TERM; while :; do sleep 0.05; done"
    daemon.apply(pod(text, container=fields, terminationGracePeriodSeconds=2))
    daemon.running(name)
    stream = Following(daemon, name)
    daemon.delete(name)
    assert stream.text() == "asked\n"
    daemon.gone(name)


def test_a_shorter_grace_ends_a_hook_under_way(daemon, name, pod):
    fields = hook("preStop", **script("sleep 3600"))
    daemon.apply(pod(container=fields, terminationGracePeriodSeconds=3600))
    daemon.running(name)
    daemon.delete(name)
    daemon.told(name, "Killing")
    daemon.delete(name, 1)
    daemon.gone(name)


def test_no_grace_no_hook(daemon, name, pod):
    daemon.apply(pod(container=hook("preStop", **script("sleep 3600")), terminationGracePeriodSeconds=3600))
    daemon.running(name)
    daemon.delete(name, 0)
    daemon.gone(name)


def test_a_killed_daemon_runs_a_hook_again_that_it_did_not_see_end(own_daemon, name, pod):
    daemon = own_daemon
    fields = hook("postStart", **script("echo begun >>/tmp/hook; until [ -e /tmp/go ]; do sleep 0.05; done"))
    daemon.apply(pod(container=fields))
    daemon.told(name, "Started")
    daemon.kill()
    daemon.start()
    daemon.until(lambda: daemon.exec(name, "sh", "-c", "grep -c begun /tmp/hook")[1] == "2\n")
    daemon.exec(name, "touch", "/tmp/go")
    assert container(daemon.running(name), "app")["restartCount"] == 0
    daemon.kill()
    daemon.start()
    daemon.running(name)
    assert daemon.exec(name, "sh", "-c", "grep -c begun /tmp/hook")[1] == "2\n"


def test_a_killed_daemon_goes_on_with_a_termination(own_daemon, name, pod):
    daemon = own_daemon
    fields = hook("preStop", **script("until [ -e /tmp/go ]; do sleep 0.05; done"))
    daemon.apply(pod(container=fields, terminationGracePeriodSeconds=3600))
    daemon.running(name)
    daemon.delete(name)
    daemon.told(name, "Killing")
    daemon.kill()
    daemon.start()
    daemon.until(lambda: daemon.exec(name, "touch", "/tmp/go")[0] == 0)
    daemon.gone(name)


class _Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers)))
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A web server outside of any pod, which fails at everything and remembers what it was asked."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    found.requests = []
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_any_answer_to_an_http_hook_will_do_and_plain_http_is_fallen_back_to(daemon, name, pod, server):
    where = {"host": "127.0.0.1", "port": server.server_port}
    fields = {
        "lifecycle": {
            "postStart": {"httpGet": {**where, "path": "/up"}},
            "preStop": {
                "httpGet": {
                    **where,
                    "path": "/down",
                    "scheme": "HTTPS",
                    "httpHeaders": [{"name": "Authorization", "value": "secret"}],
                }
            },
        }
    }
    daemon.apply(pod(container=fields, terminationGracePeriodSeconds=30))
    daemon.running(name)
    daemon.delete(name)
    daemon.gone(name)
    asked = dict(server.requests)
    assert asked["/up"]["User-Agent"] == "kube-lifecycle/1.36"
    assert "Authorization" not in asked["/down"]
    told(daemon, name, "LifecycleHTTPFallback")


class Following:
    """``pyrt logs -f`` of a pod that is about to end."""

    def __init__(self, daemon, name):
        self._said = None
        self._thread = threading.Thread(target=self._follow, args=(daemon, name))
        self._thread.start()

    def _follow(self, daemon, name):
        self._said = daemon.logs(name, "?follow=true")

    def text(self):
        self._thread.join()
        return self._said
