from __future__ import annotations

import json

from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS, pod, pod_table
from tests.unit.client.server import Server, answer, chunked, status


def test_a_table(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}"] = answer(pod_table("web", "a-longer-name"))
    assert pyrt("get", "pods").out == (
        "NAME            READY   STATUS    RESTARTS   AGE\n"
        "web             1/1     Running   0          5s\n"
        "a-longer-name   1/1     Running   0          5s\n"
    )
    assert "as=Table" in server.asked[0].headers["accept"]


def test_wide_and_labels_and_no_headers(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}"] = answer(pod_table("web", labels={"b": "2", "a": "1"}))
    assert pyrt("get", "po", "-owide", "--show-labels", "-L", "a", "--no-headers").out == (
        "web   1/1   Running   0     5s    10.231.0.2   1     a=1,b=2\n"
    )


def test_columns_are_at_least_six_wide(server: Server, pyrt: Pyrt) -> None:
    table = {"columnDefinitions": [{"name": "A"}, {"name": "B"}], "rows": [{"cells": ["x", "y\nz"], "object": {}}]}
    server.routes[f"GET {PODS}"] = answer(table)
    assert pyrt("get", "pods").out == "A     B\nx     y...\n"


def test_all_namespaces(server: Server, pyrt: Pyrt) -> None:
    server.routes["GET /api/v1/pods"] = answer(pod_table("web"))
    assert pyrt("get", "pods", "-A").out.splitlines()[0].split()[:2] == ["NAMESPACE", "NAME"]


def test_selectors_and_namespace_go_to_the_server(server: Server, pyrt: Pyrt) -> None:
    server.routes["GET /api/v1/namespaces/ns/pods"] = answer(pod_table())
    result = pyrt("-n", "ns", "get", "pods", "-l", "a=b", "--field-selector=status.phase=Running")
    assert server.asked[0].query == {"labelSelector": ["a=b"], "fieldSelector": ["status.phase=Running"]}
    assert (result.code, result.out, result.err) == (0, "", "No resources found in ns namespace.\n")


def test_names(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}"] = answer(pod_table("web", "db"))
    assert pyrt("get", "pods", "-o", "name").out == "pod/web\npod/db\n"


def test_not_found(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}/x"] = status(404, "NotFound", 'pods "x" not found')
    result = pyrt("get", "pod", "x")
    assert (result.code, result.err) == (1, 'Error from server (NotFound): pods "x" not found\n')
    assert pyrt("get", "pod", "x", "--ignore-not-found").code == 0


def test_some_found_some_not(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}/web"] = answer(pod_table("web"))
    server.routes[f"GET {PODS}/x"] = status(404, "NotFound", 'pods "x" not found')
    result = pyrt("get", "pod", "x", "web")
    assert result.code == 1
    assert result.out.splitlines()[1].startswith("web")
    assert "not found" in result.err


def test_two_kinds(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}"] = answer(pod_table("web"))
    server.routes["GET /api/v1/namespaces"] = answer(pod_table("default"))
    lines = pyrt("get", "pods,ns").out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["NAME", "pod/web", "NAME", "namespace/default"]
    assert "" in lines


def test_yaml_json_and_jsonpath(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}/web"] = answer(pod())
    server.routes[f"GET {PODS}"] = answer({"kind": "PodList", "metadata": {}, "items": [pod()]})
    assert pyrt("get", "pod/web", "-o=yaml").out.startswith("apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n")
    listing = json.loads(pyrt("get", "pods", "-o", "json").out)
    assert (listing["kind"], listing["items"][0]["kind"]) == ("List", "Pod")
    assert pyrt("get", "pods", "-o", "jsonpath={.items[*].status.podIP}").out == "10.231.0.2"
    columns = pyrt("get", "pods", "-o", "custom-columns=POD:.metadata.name,NODE:.spec.nodeName").out
    assert columns == "POD   NODE\nweb   <none>\n"


def test_sort_by(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}"] = [
        answer({"items": [pod("a"), pod("b")]}),
        answer({**pod_table(), "rows": [*pod_table("a", uid="uid-a")["rows"], *pod_table("b", uid="uid-b")["rows"]]}),
    ]
    server.routes[f"GET {PODS}"][0] = answer(
        {"items": [{**pod("a"), "spec": {"n": 2}}, {**pod("b"), "spec": {"n": 1}}]}
    )  # type: ignore[index]
    lines = pyrt("get", "pods", "--sort-by=.spec.n").out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "b", "a"]


def test_watch_prints_changes_under_the_same_header(server: Server, pyrt: Pyrt) -> None:
    event = {"type": "MODIFIED", "object": pod_table("web-2", columns=False, version="8")}
    bookmark = {"type": "BOOKMARK", "object": pod_table("", columns=False, version="9")}
    gone = {"type": "ERROR", "object": {"code": 500, "reason": "InternalError", "message": "stop"}}
    lines = [json.dumps(value).encode() + b"\n" for value in (event, bookmark)]
    server.routes[f"GET {PODS}"] = [
        answer(pod_table("web")),
        chunked(*lines),
        chunked(json.dumps(gone).encode() + b"\n"),
    ]
    result = pyrt("get", "pods", "-w")
    assert [line.split()[0] for line in result.out.splitlines()] == ["NAME", "web", "web-2"]
    assert [asked.query.get("resourceVersion") for asked in server.asked] == [None, ["7"], ["9"]]
    assert "stop" in result.err


def test_usage_errors(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {"GET /api/v1": answer({}), "GET /apis": answer({})}
    for words, text in (
        (("get",), "error: You must specify the type of resource to get. Use"),
        (("get", "unicorns"), 'error: the server doesn\'t have a resource type "unicorns"'),
        (("get", "pods", "--foo"), "error: unknown flag: --foo\nSee 'pyrt get --help' for usage."),
        (("get", "pods", "-z"), "error: unknown shorthand flag: 'z' in -z"),
        (("get", "pods", "-o", "xml"), 'error: unable to match a printer suitable for the output format "xml"'),
        (("get", "pods", "--watch=perhaps"), 'error: invalid argument "perhaps" for "--watch" flag'),
        (("get", "pod/a", "pods"), "error: there is no need to specify a resource type as a separate argument"),
        (("gte", "pods"), 'error: unknown command "gte" for "pyrt"\n\nDid you mean this?\n\tget'),
        (("get", "pod", "a", "-l", "b=c"), "error: name cannot be provided when a selector is specified"),
    ):
        result = pyrt(*words)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith(text), words


def test_nobody_there(pyrt: Pyrt) -> None:
    result = pyrt("get", "pods")
    assert result.code == 1
    assert "was refused - did you specify the right host or port?" in result.err


def test_yaml_quotes_as_kubectl(server: Server, pyrt: Pyrt) -> None:
    value = {
        **pod(),
        "data": {"a": "1000", "b": "true", "c": "text", "d": "2026-11-23T20:05:37Z", "e": "one\ntwo\n", "f": ""},
    }
    server.routes[f"GET {PODS}/web"] = answer(value)
    assert (
        'data:\n  a: "1000"\n  b: "true"\n  c: text\n  d: "2026-11-23T20:05:37Z"\n  e: |\n    one\n    two\n  f: ""\n'
        in (pyrt("get", "pod", "web", "-o", "yaml").out)
    )
