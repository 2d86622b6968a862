from __future__ import annotations

import pytest

from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS
from tests.unit.client.server import Server, answer, status

LIVE = {"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"containers": [{"name": "app", "image": "a"}]}}
PATCHED = {"metadata": {"name": "web", "resourceVersion": "2"}, "spec": {"containers": [{"name": "app", "image": "b"}]}}


@pytest.mark.parametrize(
    ("kind", "text", "media"),
    [
        ("", '{"spec": {"containers": [{"name": "app", "image": "b"}]}}', "strategic-merge-patch"),
        ("merge", "metadata: {labels: {a: null}}", "merge-patch"),
        ("json", '[{"op": "replace", "path": "/spec/containers/0/image", "value": "b"}]', "json-patch"),
    ],
)
def test_the_three_kinds(server: Server, pyrt: Pyrt, kind: str, text: str, media: str) -> None:
    server.routes |= {f"GET {PODS}/web": answer(LIVE), f"PATCH {PODS}/web": answer(PATCHED)}
    words = [f"--type={kind}"] if kind else []
    assert pyrt("patch", "pod", "web", *words, "-p", text).out == "pod/web patched\n"
    sent = server.asked[-1]
    assert sent.headers["content-type"] == f"application/{media}+json"
    assert sent.query["fieldManager"] == ["kubectl-patch"]
    assert isinstance(sent.json(), list if kind == "json" else dict)


def test_a_subresource(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(LIVE), f"PATCH {PODS}/web/resize": answer(PATCHED)}
    assert pyrt("patch", "po/web", "--subresource=resize", "-p", "{}").out == "pod/web patched\n"


def test_nothing_to_do(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(LIVE), f"PATCH {PODS}/web": answer(LIVE)}
    assert pyrt("patch", "pod", "web", "-p", "{}").out == "pod/web patched (no change)\n"


def test_a_refusal_is_printed(server: Server, pyrt: Pyrt) -> None:
    refused = status(422, "Invalid", "long", kind="Pod", name="web", causes=[{"field": "spec", "message": "Forbidden"}])
    server.routes |= {f"GET {PODS}/web": answer(LIVE), f"PATCH {PODS}/web": refused}
    result = pyrt("patch", "pod", "web", "-p", "{}")
    assert (result.code, result.err) == (1, 'The Pod "web" is invalid: spec: Forbidden\n')


def test_dry_runs(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(LIVE), f"PATCH {PODS}/web": answer(PATCHED)}
    text = '{"spec": {"containers": [{"name": "app", "image": "c"}]}}'
    assert "image: c" in pyrt("patch", "pod", "web", "-p", text, "--dry-run=client", "-o", "yaml").out
    assert all(asked.method == "GET" for asked in server.asked)
    assert pyrt("patch", "pod", "web", "-p", text, "--dry-run=server").out == "pod/web patched (server dry run)\n"
    assert server.asked[-1].query["dryRun"] == ["All"]


def test_what_makes_no_sense(server: Server, pyrt: Pyrt) -> None:
    assert "must specify --patch or --patch-file" in pyrt("patch", "pod", "web").err
    assert "--type must be one of json, merge, strategic" in pyrt("patch", "pod", "web", "-p", "{}", "--type=x").err
    assert "no name was specified" in pyrt("patch", "pod", "-p", "{}").err
    assert "unable to parse -p" in pyrt("patch", "pod", "web", "-p", "{").err
