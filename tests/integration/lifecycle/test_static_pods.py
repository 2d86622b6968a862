"""Static pods: a directory of manifests, and a URL, that the node runs without being asked."""

import http.server
import json
import shutil
import threading
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.integration.daemon.conftest import make_pod
from tests.integration.lifecycle.conftest import FOREVER, PODS, running

MARKS = "kubernetes.io/config."


@pytest.fixture(scope="module")
def instance(layout):
    """A daemon for the tests of this file; some kill it."""
    with running(layout, "static") as found:
        yield found


@pytest.fixture
def daemon(instance):
    """Without manifests, and without their pods at the end."""
    directory = instance.config.paths.manifests
    directory.mkdir()
    yield instance
    shutil.rmtree(directory)
    for pod in instance.call("GET", PODS)["items"]:
        if MARKS + "mirror" not in pod["metadata"].get("annotations", {}):
            instance.delete(pod["metadata"]["name"], 0)
    instance.until(lambda: not instance.leftovers())


@pytest.fixture
def manifests(daemon):
    return daemon.config.paths.manifests


def write(directory, file, manifest):
    """As an editor does it: beside, and then in its place."""
    hidden = directory / f".{file}"
    hidden.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    hidden.rename(directory / file)


def mirror(daemon, name="web"):
    return f"{name}-{daemon.config.node.effective_name}"


@pytest.mark.core
def test_from_file_to_pod_and_back(daemon, manifests):
    name = mirror(daemon)
    write(manifests, "web.yaml", make_pod("web", "echo up; " + FOREVER))
    pod = daemon.running(name)
    meta = pod["metadata"]
    assert meta["annotations"][MARKS + "source"] == "file"
    assert meta["annotations"][MARKS + "hash"] == meta["annotations"][MARKS + "mirror"] == meta["uid"]
    assert meta["annotations"][MARKS + "seen"]
    assert [(o["kind"], o["name"], o["controller"]) for o in meta["ownerReferences"]] == [
        ("Node", daemon.config.node.effective_name, True)
    ]
    assert {"operator": "Exists", "effect": "NoExecute"} in pod["spec"]["tolerations"]
    assert daemon.logs(name) == "up\n"
    assert daemon.exec(name, "hostname")[1] == f"{name}\n"
    (manifests / "web.yaml").unlink()
    daemon.gone(name)
    daemon.until(lambda: not daemon.remains(meta["uid"]))


def test_a_changed_file_is_another_pod_after_the_old_one_has_ended(daemon, manifests):
    name = mirror(daemon)
    first = make_pod("web", "trap 'sleep 0.3; echo bye > /shared/first; exit' TERM; while :; do sleep 0.05; done")
    shared = manifests.parent / "shared"
    shared.mkdir()
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    volume = [{"name": "shared", "hostPath": {"path": str(shared)}}]
    first["spec"]["containers"][0] |= mount
    first["spec"]["volumes"] = volume
    write(manifests, "web.yaml", first)
    before = daemon.running(name)["metadata"]["uid"]
    second = make_pod("web", f"cat /shared/first; {FOREVER}", container=mount, volumes=volume)
    write(manifests, "web.yaml", second)
    daemon.wait_for(name, lambda pod: pod["metadata"]["uid"] != before and pod["status"]["phase"] == "Running")
    daemon.until(lambda: daemon.logs(name) == "bye\n")  # the first one had gone when the second began


def test_a_daemons_end_changes_nothing(daemon, manifests):
    name = mirror(daemon)
    write(manifests, "web.yaml", make_pod("web", FOREVER))
    before = daemon.running(name)
    daemon.kill()
    daemon.start()
    after = daemon.running(name)
    for path in ("uid", "annotations"):
        assert before["metadata"][path] == after["metadata"][path]
    assert before["status"]["containerStatuses"] == after["status"]["containerStatuses"]


def test_files_change_while_no_daemon_runs(daemon, manifests):
    write(manifests, "a.yaml", make_pod("a", FOREVER))
    write(manifests, "b.yaml", make_pod("b", FOREVER))
    daemon.running(mirror(daemon, "a"))
    daemon.running(mirror(daemon, "b"))
    daemon.kill()
    (manifests / "a.yaml").unlink()
    write(manifests, "c.yaml", make_pod("c", FOREVER))
    daemon.start()
    daemon.running(mirror(daemon, "c"))
    daemon.gone(mirror(daemon, "a"))
    assert daemon.running(mirror(daemon, "b"))["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.core
def test_the_api_shows_it_and_does_not_rule_it(daemon, manifests):
    name = mirror(daemon)
    write(manifests, "web.yaml", make_pod("web", FOREVER))
    daemon.running(name)
    refused = (
        f'Error from server (Forbidden): pods "{name}" is forbidden: it is the mirror of a static pod and cannot be'
    )
    said = daemon.pyrt("delete", "pod", name, check=False)
    assert (said.code, said.err) == (1, f"{refused} deleted here; change {manifests}/web.yaml\n")
    said = daemon.pyrt("patch", "pod", name, "-p", '{"metadata":{"labels":{"a":"b"}}}', check=False)
    assert said.err.startswith(f"{refused} updated here")
    said = daemon.pyrt("debug", name, "--image=busybox:1.36", check=False)
    assert "static pods do not support ephemeral containers" in said.err
    patch = '{"spec":{"containers":[{"name":"app","resources":{"limits":{"cpu":"1"}}}]}}'
    said = daemon.pyrt("patch", "pod", name, "--subresource=resize", "-p", patch, check=False)
    assert said.code == 1
    daemon.call("DELETE", PODS)  # all that can be deleted
    daemon.running(name)
    copy = json.loads(daemon.pyrt("get", "pod", name, "-o", "json").out)
    copy["metadata"] = {"name": "copy", "annotations": copy["metadata"]["annotations"]}
    said = daemon.apply(copy, check=False)
    assert "mirror pods are made by this node for its static pods only" in said.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"serviceAccountName": "robot"}, "spec.serviceAccountName: static pods may not reference serviceaccounts"),
        ({"imagePullSecrets": [{"name": "s"}]}, "spec.imagePullSecrets: static pods may not reference secrets"),
        (
            {"volumes": [{"name": "v", "configMap": {"name": "c"}}]},
            "spec.volumes[0]: static pods may not reference configmaps (via configmap volumes)",
        ),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
            "spec.volumes[0]: static pods may not reference persistentvolumeclaims",
        ),
        (
            {"container": {"envFrom": [{"secretRef": {"name": "s"}}]}},
            "spec.containers[0].envFrom: static pods may not reference secrets",
        ),
        ({"restartPolicy": "Sometimes"}, 'invalid pod: spec.restartPolicy: Unsupported value: "Sometimes"'),
        ({"contaners": []}, 'invalid pod: strict decoding error: unknown field "spec.contaners"'),
        ("{", "couldn't parse as pod"),
        ("kind: Job\napiVersion: batch/v1", "kind: expected v1 Pod, got batch/v1 Job"),
    ],
)
def test_what_cannot_be_one_is_told_and_harms_nobody(daemon, manifests, change, message):
    directory = manifests
    manifest = change if isinstance(change, str) else make_pod("bad", FOREVER, **change)
    write(directory, "bad.yaml", manifest)

    def faults():
        found = json.loads(daemon.pyrt("system", "info", "-o", "json").out)["staticPods"]["faults"]
        return [f["message"] for f in found if f["source"] == str(directory / "bad.yaml")]

    daemon.until(lambda: any(text.startswith(message) for text in faults()))
    assert f"{directory}/bad.yaml: {message}" in daemon.log.read_text()
    target = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind=Node"
    daemon.until(
        lambda: any(f"bad.yaml: {message}" in event["message"] for event in daemon.call("GET", target)["items"])
    )
    write(directory, "good.yaml", make_pod("good", FOREVER))
    daemon.running(mirror(daemon, "good"))


def test_a_file_that_turns_bad_leaves_its_pod_running(daemon, manifests):
    directory = manifests
    write(directory, "web.yaml", make_pod("web", FOREVER))
    before = daemon.running(mirror(daemon))["metadata"]["uid"]
    write(directory, "web.yaml", "metadata: {name: ")
    daemon.until(lambda: "web.yaml: couldn't parse as pod" in daemon.log.read_text())
    assert daemon.running(mirror(daemon))["metadata"]["uid"] == before
    write(directory, "web.yaml", make_pod("web", FOREVER))
    daemon.until(lambda: "web.yaml: in order again" in daemon.log.read_text())
    assert daemon.running(mirror(daemon))["metadata"]["uid"] == before


def test_every_visible_file_counts_and_one_name_is_one_pod(daemon, manifests):
    directory = manifests
    write(directory, "a.bak", make_pod("web", FOREVER))
    (directory / ".hidden.yaml").write_text(json.dumps(make_pod("hidden", FOREVER)))
    (directory / "below").mkdir()
    (directory / "below/c.yaml").write_text(json.dumps(make_pod("below", FOREVER)))
    write(directory, "b.yaml", make_pod("web", "exit 0"))
    daemon.running(mirror(daemon))
    daemon.until(lambda: f"is defined in {directory}/a.bak already" in daemon.log.read_text())
    assert [pod["metadata"]["name"] for pod in daemon.call("GET", PODS)["items"]] == [mirror(daemon)]
    shutil.rmtree(directory / "below")


def test_a_uid_of_its_own_and_a_name_that_is_taken(daemon, manifests):
    directory = manifests
    daemon.create(make_pod(mirror(daemon, "taken"), FOREVER))
    write(directory, "taken.yaml", make_pod("taken", FOREVER))
    daemon.until(lambda: "exists in the API already" in daemon.log.read_text())
    manifest = make_pod("web", FOREVER)
    manifest["metadata"]["uid"] = "my-own-uid"
    write(directory, "web.yaml", manifest)
    first = daemon.running(mirror(daemon))
    assert first["metadata"]["uid"] == "my-own-uid"
    manifest["metadata"]["labels"] = {"version": "2"}
    write(directory, "web.yaml", manifest)
    daemon.wait_for(mirror(daemon), lambda pod: "labels" in pod["metadata"] and pod["status"]["phase"] == "Running")
    daemon.delete(mirror(daemon, "taken"), 0)
    daemon.running(mirror(daemon, "taken"))


@pytest.mark.core
def test_it_runs_on_when_the_database_is_lost(daemon, manifests):
    write(manifests, "web.yaml", make_pod("web", FOREVER))
    name = mirror(daemon)
    uid = daemon.running(name)["metadata"]["uid"]
    daemon.stop()
    root = daemon.config.paths.root
    import sqlite3

    with sqlite3.connect(next(root.glob("*.db"))) as database:
        database.execute("DELETE FROM objects")
    database.close()
    daemon.start()
    after = daemon.running(name)
    assert after["metadata"]["uid"] == uid
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


class Source(http.server.BaseHTTPRequestHandler):
    """Answers with the server's ``text``, to who brings the right header."""

    def do_GET(self) -> None:
        allowed = self.headers.get("X-Token") == "secret"
        self.send_response(self.server.code if allowed else 403)
        self.end_headers()
        self.wfile.write(self.server.text if allowed else b"no")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
    found.code, found.text = 200, b""
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def test_from_a_url(layout, server):
    url = f"http://127.0.0.1:{server.server_port}/pods"
    items = [make_pod("a", FOREVER), make_pod("b", FOREVER)]

    def change(config):
        static = replace(config.static_pods, url=url, headers={"X-Token": "secret"}, interval_seconds=1)
        return replace(config, static_pods=static)

    with running(layout, "url", change) as daemon:
        # Now that the image is there.
        server.text = json.dumps({"apiVersion": "v1", "kind": "PodList", "items": items}).encode()
        a = daemon.running(mirror(daemon, "a"))
        daemon.running(mirror(daemon, "b"))
        assert a["metadata"]["annotations"][MARKS + "source"] == "http"
        # A server that fails takes nothing away.
        server.code = 500
        daemon.until(lambda: "answered 500" in daemon.log.read_text())
        daemon.kill()
        daemon.start()
        assert daemon.running(mirror(daemon, "a"))["metadata"]["uid"] == a["metadata"]["uid"]
        server.code, server.text = 200, json.dumps(items[0]).encode()
        daemon.gone(mirror(daemon, "b"))
        server.text = b""
        daemon.gone(mirror(daemon, "a"))


def test_a_reset_takes_them_along(layout):
    with running(layout, "reset") as daemon:
        daemon.config.paths.manifests.mkdir()
        write(daemon.config.paths.manifests, "web.yaml", make_pod("web", FOREVER))
        daemon.running(mirror(daemon))
        daemon.create(make_pod("other", FOREVER))
        daemon.running("other")
        said = daemon.pyrt("system", "reset", "--yes")
        assert f'pod "default/{mirror(daemon)}" force deleted' in said.out
        assert daemon.process.wait() == 0
        assert daemon.pod_processes() == []
        shutil.rmtree(daemon.config.paths.manifests)
