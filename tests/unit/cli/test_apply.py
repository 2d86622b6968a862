from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrt.cli.applied import LAST_APPLIED
from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS
from tests.unit.client.server import Server, answer, status

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: app, image: busybox}]
"""
MISSING = status(404, "NotFound", 'pods "web" not found')


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    return str(path)


def test_created(server: Server, pyrt: Pyrt, manifest: str) -> None:
    server.routes |= {f"GET {PODS}/web": MISSING, f"POST {PODS}": answer({"metadata": {"name": "web"}}, 201)}
    assert pyrt("apply", "-f", manifest).out == "pod/web created\n"
    sent = server.asked[1].json()
    assert sent["metadata"]["namespace"] == "default"
    assert json.loads(sent["metadata"]["annotations"][LAST_APPLIED])["spec"]["containers"][0]["name"] == "app"
    assert server.asked[1].query["fieldValidation"] == ["Strict"]


def test_unchanged_and_configured(server: Server, pyrt: Pyrt, manifest: str, tmp_path: Path) -> None:
    server.routes |= {f"GET {PODS}/web": MISSING, f"POST {PODS}": answer({}, 201), f"PATCH {PODS}/web": answer({})}
    pyrt("apply", "-f", manifest)
    live = server.asked[1].json()
    live["spec"]["restartPolicy"] = "Always"
    live["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    live["status"] = {"phase": "Running"}
    server.routes[f"GET {PODS}/web"] = answer(live)
    assert pyrt("apply", "-f", manifest).out == "pod/web unchanged\n"
    Path(manifest).write_text(POD.replace("image: busybox", "image: busybox:2"))
    assert pyrt("apply", "-f", manifest).out == "pod/web configured\n"
    patch = server.asked[-1]
    assert patch.headers["content-type"] == "application/strategic-merge-patch+json"
    assert patch.json()["spec"] == {
        "$setElementOrder/containers": [{"name": "app"}],
        "containers": [{"name": "app", "image": "busybox:2"}],
    }


def test_what_the_server_finds_unchanged_is_unchanged(server: Server, pyrt: Pyrt, manifest: str) -> None:
    live = {"metadata": {"name": "web", "resourceVersion": "7"}}
    server.routes |= {f"GET {PODS}/web": answer(live), f"PATCH {PODS}/web": answer(live)}
    result = pyrt("apply", "-f", manifest)
    assert result.out == "pod/web unchanged\n"
    assert "is missing the kubectl.kubernetes.io/last-applied-configuration annotation" in result.err


def test_server_side_apply_is_refused(server: Server, pyrt: Pyrt, manifest: str) -> None:
    assert "server-side apply is not supported" in pyrt("apply", "--server-side", "-f", manifest).err
    assert server.asked == []


def test_validation_errors_cause_by_cause(server: Server, pyrt: Pyrt, manifest: str) -> None:
    causes = [{"field": "spec.a", "message": "Required value"}, {"field": "spec.b", "message": "Forbidden: no"}]
    refused = status(422, "Invalid", "long", kind="Pod", name="web", causes=causes)
    server.routes |= {f"GET {PODS}/web": MISSING, f"POST {PODS}": refused}
    result = pyrt("apply", "-f", manifest)
    assert result.code == 1
    assert result.err == 'The Pod "web" is invalid: \n* spec.a: Required value\n* spec.b: Forbidden: no\n'


def test_other_errors_name_the_file(server: Server, pyrt: Pyrt, manifest: str) -> None:
    refused = status(400, "BadRequest", 'strict decoding error: unknown field "spec.foo"')
    server.routes |= {f"GET {PODS}/web": MISSING, f"POST {PODS}": refused}
    assert pyrt("create", "-f", manifest).err == (
        f'Error from server (BadRequest): error when creating "{manifest}": '
        'strict decoding error: unknown field "spec.foo"\n'
    )


def test_directories_documents_and_lists(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    server.routes[f"POST {PODS}"] = lambda asked: answer(asked.json(), 201)
    directory = tmp_path / "manifests"
    (directory / "below").mkdir(parents=True)
    (directory / "a.yaml").write_text(POD + "---\n" + POD.replace("web", "web2"))
    (directory / "list.json").write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "l"}}],
            }
        )
    )
    (directory / "notes.txt").write_text("nothing")
    (directory / "below" / "b.yml").write_text(POD.replace("web", "below"))
    assert pyrt("create", "-f", str(directory)).out == "pod/web created\npod/web2 created\npod/l created\n"
    assert "pod/below created" in pyrt("create", "-R", "-f", str(directory)).out


def test_bad_files(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    for text, expected in (
        ("a: [", "error: error parsing "),
        ("metadata: {name: x}", "kind not set"),
        ("kind: Pod", "apiVersion not set"),
        ("kind: Pod\napiVersion: v1\nkind: Pod", "already"),
    ):
        bad.write_text(text)
        result = pyrt("apply", "-f", str(bad))
        assert result.code == 1
        assert expected in result.err
    assert pyrt("apply", "-f", "/nowhere.yaml").err == 'error: the path "/nowhere.yaml" does not exist\n'
    assert pyrt("apply").err == "error: must specify one of -f and -k\n"


def test_unknown_kinds(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    server.routes |= {"GET /api/v1": answer({}), "GET /apis": answer({})}
    path = tmp_path / "u.yaml"
    path.write_text("apiVersion: v1\nkind: Unicorn\nmetadata: {name: u}")
    assert 'no matches for kind "Unicorn" in version "v1"' in pyrt("apply", "-f", str(path)).err


def test_a_workload_is_refused_by_its_kind(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    served = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["create", "get"]}
    listed = {"name": "nodes", "kind": "Node", "verbs": ["get"]}
    server.routes |= {"GET /api/v1": answer({"resources": [served, listed]}), "GET /apis": answer({})}
    path = tmp_path / "job.yaml"
    path.write_text("apiVersion: batch/v1\nkind: Job\nmetadata: {name: hello}\nspec: {template: {}}")
    for verb in ("apply", "create"):
        result = pyrt(verb, "-f", str(path))
        assert (result.code, result.err) == (
            1,
            f'error: resource mapping not found for name: "hello" namespace: "" from "{path}": no matches for kind '
            '"Job" in version "batch/v1"\n'
            'pyrt supports the kinds Pod; what the pods of this Job would be is shown by "pyrt explain"\n',
        )


def test_namespaces_have_to_agree(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    path = tmp_path / "u.yaml"
    path.write_text(POD.replace("{name: web}", "{name: web, namespace: one}"))
    assert "does not match the namespace" in pyrt("apply", "-f", str(path), "-n", "two").err
