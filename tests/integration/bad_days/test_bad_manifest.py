"""Manifests that cannot be: one clear error each, exit code 1, and no object."""

from __future__ import annotations

import json

import pytest

from pyrt.client.http import Request, send
from tests.integration.daemon.conftest import PATIENCE, PODS

GOOD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: app, image: 'busybox:1.36'}\n"
)


def refused(daemon, text):
    """``pyrt apply -f -`` fails with exit code 1 and leaves no object; what it said."""
    said = daemon.pyrt("apply", "-f", "-", stdin=text)
    assert said.code == 1, said
    assert said.out == ""
    assert daemon.call("GET", PODS)["items"] == []
    return said.err.strip()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD + "   bad indent: [\n", "line 7"),
        ("a: b\n\tc: d\n", "line 2"),
        ("a: &x [*y]\n", "line 1"),
        ("a: 'never ended\n", "line 2"),
        ("--- !!python/object/apply:os.system ['true']\n", "line 1"),
    ],
    ids=["indent", "tab", "no such anchor", "open quote", "a tag that runs code"],
)
def test_yaml_that_is_none(daemon, text, line):
    said = refused(daemon, text)
    assert said.startswith("error: ")
    assert line in said
    assert "Traceback" not in said


def test_text_that_is_not_utf8(daemon):
    assert refused(daemon, b"a: \xff\xfe\x00\n").startswith("error: ")


def test_a_bomb_of_aliases(daemon):
    """Nine anchors, each nine times the one before it: 3 GB if it were written out."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "alias" in refused(daemon, "\n".join(lines))


def test_nesting_without_end(daemon):
    assert refused(daemon, "a: " + "[" * 100_000).startswith("error: ")
    status = posted(daemon, b'{"kind": "Pod", "apiVersion": "v1", "metadata": ' + b"[" * 100_000)
    assert (status["code"], status["reason"]) == (400, "BadRequest")


def posted(daemon, data):
    """Post what the command line would never send; the Status that comes back."""
    request = Request("POST", PODS, {"Content-Type": "application/json"}, data)
    with send(daemon.socket, request, timeout=PATIENCE) as response:
        return json.loads(response.read())


def test_a_manifest_of_more_than_ten_megabytes(daemon):
    said = refused(daemon, GOOD + "# " + "x" * (11 << 20) + "\n")
    assert "10" in said
    assert said.startswith("error: ")


def test_a_request_of_more_than_ten_megabytes(daemon):
    body = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x" * (11 << 20)}}).encode()
    status = posted(daemon, body)
    assert (status["code"], status["reason"]) == (413, "RequestEntityTooLarge")


def test_a_file_that_is_not_there(daemon):
    said = daemon.pyrt("apply", "-f", "/no/such/file.yaml")
    assert (said.code, said.err) == (1, 'error: the path "/no/such/file.yaml" does not exist\n')


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("spec:", "spec:\n  containrs: []", 'unknown field "spec.containrs"'),
        ("{name: app,", "{name: app, imge: x,", 'unknown field "spec.containers[0].imge"'),
        ("{name: app,", "{name: app, tty: please,", "spec.containers[0].tty"),
        ("{name: app,", "{name: app, ports: [{containerPort: http}],", "spec.containers[0].ports[0].containerPort"),
        ("spec:", "spec:\n  terminationGracePeriodSeconds: soon", "spec.terminationGracePeriodSeconds"),
        ("image: 'busybox:1.36'", "image: ''", "spec.containers[0].image: Required value"),
        ("{name: web}", "{name: Web_1}", 'metadata.name: Invalid value: "Web_1"'),
        ("kind: Pod", "kind: Pood", "Pood"),
        ("apiVersion: v1", "apiVersion: v9", "v9"),
    ],
    ids=[
        "field of the spec",
        "field of a container",
        "no boolean",
        "no number",
        "no seconds",
        "no image",
        "bad name",
        "kind",
        "version",
    ],
)
def test_what_is_wrong_is_named(daemon, old, new, words):
    assert words in refused(daemon, GOOD.replace(old, new, 1))


def test_several_errors_at_once(daemon):
    text = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: Sometimes
  hostname: Not_A_Label
  containers:
  - {name: app}
  - {name: app, image: "busybox:1.36", ports: [{containerPort: 99999}], volumeMounts: [{name: none, mountPath: /x}]}
"""
    lines = refused(daemon, text).splitlines()
    assert lines[0] == 'The Pod "web" is invalid: '
    for start in (
        '* spec.restartPolicy: Unsupported value: "Sometimes"',
        '* spec.hostname: Invalid value: "Not_A_Label"',
        "* spec.containers[0].image: Required value",
        '* spec.containers[1].name: Duplicate value: "app"',
        "* spec.containers[1].ports[0].containerPort: Invalid value: 99999",
        '* spec.containers[1].volumeMounts[0].name: Not found: "none"',
    ):
        assert any(line.startswith(start) for line in lines), (start, lines)


def test_one_bad_document_among_good_ones(daemon):
    """As kubectl: what can be done is done, the rest is told, and the exit code is 1."""
    text = GOOD + "---\n" + GOOD.replace("web", "UPPER") + "---\n" + GOOD.replace("web", "third")
    said = daemon.pyrt("apply", "-f", "-", stdin=text)
    assert said.code == 1
    assert said.out.splitlines() == ["pod/web created", "pod/third created"]
    assert 'The Pod "UPPER" is invalid' in said.err


def test_a_name_that_is_taken(daemon, pod):
    daemon.create(pod("web", "sleep 1000"))
    said = daemon.pyrt("create", "-f", "-", stdin=json.dumps(pod("web", "true")))
    assert said.code == 1
    assert "Error from server (AlreadyExists)" in said.err
    assert 'pods "web" already exists' in said.err


def test_a_change_that_a_pod_does_not_allow(daemon, pod):
    daemon.create(pod("web", "sleep 1000"))
    said = daemon.pyrt("apply", "-f", "-", stdin=json.dumps(pod("web", "sleep 2000")))
    assert said.code == 1
    warning, refusal = said.err.split("\n", 1)
    assert warning.startswith(
        "Warning: resource pods/web is missing the kubectl.kubernetes.io/last-applied-configuration"
    )
    assert refusal.startswith('The Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than')


def test_what_is_not_supported_yet_is_refused_by_name(daemon):
    text = GOOD + "  volumes: [{name: v, nfs: {server: s, path: /p}}]\n"
    assert "spec.volumes[0].nfs" in refused(daemon, text)


def test_another_operating_system_is_refused_as_the_kubelet_does(daemon):
    daemon.pyrt("apply", "-f", "-", stdin=GOOD + "  os: {name: windows}\n")
    status = daemon.phase("web", "Failed")["status"]
    assert status["reason"] == "PodOSNotSupported"
