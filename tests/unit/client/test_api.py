from __future__ import annotations

import json
import time

import pytest

from pyrt.client.api import Api, target, warnings
from pyrt.client.errors import ApiError, Cause, DeadlineError, ProtocolError, UnreachableError
from pyrt.client.resources import POD, Resource, from_discovery
from tests.unit.client.server import Server, answer, chunked, status

CORE = {"groupVersion": "v1", "resources": [
    {"name": "configmaps", "singularName": "configmap", "kind": "ConfigMap", "namespaced": True, "shortNames": ["cm"]},
    {"name": "pods/log", "kind": "Pod", "namespaced": True},
]}  # fmt: skip
GROUPS = {"groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1"}]}]}
APPS = {"groupVersion": "apps/v1", "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True}]}


@pytest.fixture
def api(server: Server) -> Api:
    return Api(str(server.path))


def test_target_encodes_and_leaves_out() -> None:
    query = {"a": "x=y,z", "b": None, "c": True, "d": ["1", "2 3"], "e": "", "f": 0}
    assert target("/p", query) == "/p?a=x%3Dy%2Cz&c=true&d=1&d=2%203&f=0"


def test_paths() -> None:
    assert POD.path("ns", "web", "log") == "/api/v1/namespaces/ns/pods/web/log"
    assert POD.path(None) == "/api/v1/pods"
    assert POD.path("a/../b", "x?y") == "/api/v1/namespaces/a%2F..%2Fb/pods/x%3Fy"
    assert Resource("nodes", "node", "Node", namespaced=False).path("ns", "n") == "/api/v1/nodes/n"
    assert Resource("jobs", "job", "Job", group="batch").path("ns") == "/apis/batch/v1/namespaces/ns/jobs"


def test_a_failure_status_is_raised(server: Server, api: Api) -> None:
    causes = [{"field": "spec.x", "message": "Required value", "reason": "FieldValueRequired"}]
    server.routes["GET /p"] = status(422, "Invalid", "bad", kind="Pod", name="web", causes=causes)
    with pytest.raises(ApiError) as caught:
        api.get("/p")
    error = caught.value
    assert (error.code, error.reason, error.kind, error.name) == (422, "Invalid", "Pod", "web")
    assert error.causes == (Cause("spec.x", "Required value", "FieldValueRequired"),)


def test_a_failure_without_status_keeps_its_text(server: Server, api: Api) -> None:
    server.routes["GET /p"] = answer(body=b"boom\n", code=500)
    with pytest.raises(ApiError, match="boom"):
        api.get("/p")


def test_an_answer_that_is_not_json(server: Server, api: Api) -> None:
    server.routes["GET /p"] = answer(body=b"<html>")
    with pytest.raises(ProtocolError):
        api.get("/p")


def test_watch_gives_events_and_raises_errors(server: Server, api: Api) -> None:
    events = [{"type": "ADDED", "object": {"a": 1}}, {"type": "ERROR", "object": {"code": 410, "message": "too old"}}]
    server.routes["GET /p"] = chunked(*(json.dumps(event).encode() + b"\n" for event in events))
    seen = []
    with pytest.raises(ApiError, match="too old"):
        seen.extend(api.watch("/p", {"resourceVersion": "5"}))
    assert seen == [("ADDED", {"a": 1})]
    assert server.asked[0].query == {"resourceVersion": ["5"], "watch": ["true"]}


def test_watch_ends_at_its_deadline(server: Server, api: Api) -> None:
    def silent(asked: object) -> None:
        asked.socket.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")  # type: ignore[attr-defined]
        asked.socket.recv(1)  # type: ignore[attr-defined]

    server.routes["GET /p"] = silent
    with pytest.raises(DeadlineError):
        list(api.watch("/p", {}, deadline=time.monotonic() + 0.05))


def test_well_known_kinds_need_no_discovery(server: Server, api: Api) -> None:
    assert api.resource("po") == POD
    assert api.resource("Pods") == POD
    assert not server.asked


def test_other_kinds_are_discovered_once(server: Server, api: Api) -> None:
    server.routes |= {"GET /api/v1": answer(CORE), "GET /apis": answer(GROUPS), "GET /apis/apps/v1": answer(APPS)}
    deployment = api.resource("deployments.apps")
    assert deployment is not None
    assert deployment.api_version == "apps/v1"
    assert api.resource("cm") is not None
    assert api.resource("unicorns") is None
    assert api.resource_of("apps/v1", "Deployment") == deployment
    assert len(server.asked) == 3


def test_discovery_leaves_out_subresources() -> None:
    assert [resource.name for resource in from_discovery(CORE)] == ["configmaps"]


def test_warning_headers() -> None:
    header = '299 - "spec.nodeName: ignored, really", 299 - "a \\"quoted\\" word"'
    assert list(warnings(header)) == ["spec.nodeName: ignored, really", 'a "quoted" word']


def test_warnings_are_handed_over(server: Server) -> None:
    heard: list[str] = []
    server.routes["GET /p"] = answer({}, headers='Warning: 299 - "careful"\r\n')
    Api(str(server.path), on_warning=heard.append).get("/p")
    assert heard == ["careful"]


def test_unreachable_is_seen_to_once(tmp_path: object, server: Server) -> None:
    calls: list[str] = []

    def start(error: UnreachableError) -> bool:
        calls.append(error.subject)
        return True

    api = Api(f"{tmp_path}/missing", on_unreachable=start)
    with pytest.raises(UnreachableError):
        api.get("/p")
    assert calls == [f"{tmp_path}/missing"]
