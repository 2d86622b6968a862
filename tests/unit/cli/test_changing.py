"""replace, label, annotate, set image, edit and diff: what they send and say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS
from tests.unit.client.server import Asked, Server, answer, status

LIVE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "1", "labels": {"a": "1"}},
    "spec": {"containers": [{"name": "app", "image": "x:1"}, {"name": "side", "image": "y:1"}]},
}


@pytest.fixture
def live(server: Server) -> Server:
    def patched(asked: Asked) -> bytes:
        return answer(LIVE | {"metadata": LIVE["metadata"] | {"resourceVersion": "2"}})

    server.routes |= {f"GET {PODS}/web": answer(LIVE), f"PATCH {PODS}/web": patched, f"PUT {PODS}/web": patched}
    return server


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(LIVE))
    return str(path)


class TestMarks:
    def test_labels_are_set_and_taken_away(self, live: Server, pyrt: Pyrt) -> None:
        assert pyrt("label", "pod", "web", "b=2", "a-").out == "pod/web labeled\n"
        assert live.asked[-1].json() == {"metadata": {"labels": {"b": "2", "a": None}}}
        assert pyrt("label", "pod/web", "a-").out == "pod/web unlabeled\n"

    def test_nothing_to_do(self, live: Server, pyrt: Pyrt) -> None:
        assert pyrt("label", "pod", "web", "a=1").out == "pod/web not labeled\n"
        assert pyrt("label", "pod", "web", "z-").out == 'label "z" not found.\npod/web not labeled\n'
        assert all(asked.method == "GET" for asked in live.asked)

    def test_values_are_not_overwritten_unasked(self, live: Server, pyrt: Pyrt) -> None:
        assert pyrt("label", "pod", "web", "a=2").err == (
            "error: 'a' already has a value (1), and --overwrite is false\n"
        )
        assert pyrt("label", "pod", "web", "a=2", "--overwrite").out == "pod/web labeled\n"

    def test_annotations(self, live: Server, pyrt: Pyrt) -> None:
        assert (
            pyrt("annotate", "pods", "web", "example.com/note=a=b", "--resource-version=1").out == "pod/web annotated\n"
        )
        metadata = {"annotations": {"example.com/note": "a=b"}, "resourceVersion": "1"}
        assert live.asked[-1].json() == {"metadata": metadata}

    def test_all_of_them(self, live: Server, pyrt: Pyrt) -> None:
        live.routes[f"GET {PODS}"] = answer({"items": [LIVE]})
        assert pyrt("label", "pods", "--all", "b=2").out == "pod/web labeled\n"
        assert pyrt("label", "pods", "-l", "a=1", "b=2").out == "pod/web labeled\n"

    def test_list_and_mistakes(self, live: Server, pyrt: Pyrt) -> None:
        assert pyrt("label", "pod", "web", "--list").out == "a=1\n"
        assert pyrt("label", "pod", "web").err == "error: at least one label update is required\n"
        assert "can not both modify and remove" in pyrt("label", "pod", "web", "a=1", "a-").err


class TestSetImage:
    def test_one_and_all(self, live: Server, pyrt: Pyrt) -> None:
        assert pyrt("set", "image", "pod/web", "app=x:2").out == "pod/web image updated\n"
        assert live.asked[-1].json()["spec"] == {
            "$setElementOrder/containers": [{"name": "app"}, {"name": "side"}],
            "containers": [{"name": "app", "image": "x:2"}],
        }
        pyrt("set", "image", "pod", "web", "*=z")
        assert [item["image"] for item in live.asked[-1].json()["spec"]["containers"]] == ["z", "z"]

    def test_nothing_and_nobody(self, live: Server, pyrt: Pyrt) -> None:
        assert pyrt("set", "image", "pod/web", "app=x:1").out == "pod/web image unchanged\n"
        assert pyrt("set", "image", "pod/web", "no=x").err == 'error: unable to find container named "no"\n'


class TestReplace:
    def test_the_whole_object_is_put(self, live: Server, pyrt: Pyrt, manifest: str) -> None:
        assert pyrt("replace", "-f", manifest).out == "pod/web replaced\n"
        assert live.asked[-1].json() == LIVE

    def test_a_conflict_names_the_file(self, live: Server, pyrt: Pyrt, manifest: str) -> None:
        live.routes[f"PUT {PODS}/web"] = status(409, "Conflict", "the object has been modified")
        result = pyrt("replace", "-f", manifest)
        assert result.err == (
            f'Error from server (Conflict): error when replacing "{manifest}": the object has been modified\n'
        )

    def test_force_makes_it_anew(self, live: Server, pyrt: Pyrt, manifest: str) -> None:
        gone = answer({"metadata": {"resourceVersion": "3"}, "items": []})
        live.routes |= {f"DELETE {PODS}/web": answer(LIVE), f"GET {PODS}": gone, f"POST {PODS}": answer(LIVE, 201)}
        assert pyrt("replace", "--force", "-f", manifest).out == "pod/web replaced\n"
        assert "uid" not in live.asked[-1].json()["metadata"]


class TestEdit:
    def edited(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
        editor = tmp_path / "editor"
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
        monkeypatch.setenv("KUBE_EDITOR", str(editor))

    def test_what_was_changed_is_patched(
        self, live: Server, pyrt: Pyrt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.edited(monkeypatch, tmp_path, "sed -i 's/x:1/x:2/' $1")
        assert pyrt("edit", "pod", "web").out == "pod/web edited\n"
        assert live.asked[-1].json()["spec"]["containers"] == [{"name": "app", "image": "x:2"}]

    def test_no_change_is_no_request(
        self, live: Server, pyrt: Pyrt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.edited(monkeypatch, tmp_path, "true")
        assert pyrt("edit", "pod", "web").out == "Edit cancelled, no changes made.\n"
        assert [asked.method for asked in live.asked] == ["GET"]

    def test_a_refusal_is_shown_in_the_file_again(
        self, live: Server, pyrt: Pyrt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        live.routes[f"PATCH {PODS}/web"] = status(422, "Invalid", "spec: Forbidden: no")
        self.edited(monkeypatch, tmp_path, f"cp $1 {tmp_path}/seen; grep -q Forbidden $1 || sed -i s/x:1/x:2/ $1")
        result = pyrt("edit", "pod", "web")
        assert result.code == 1
        assert "Edit cancelled, no valid changes made." in result.out
        assert "# The request is invalid: spec: Forbidden: no" in (tmp_path / "seen").read_text()
        stored = Path(result.err.partition('stored to "')[2].partition('"')[0])
        assert "x:2" in stored.read_text()
        stored.unlink()


class TestDiff:
    def test_what_would_change(self, live: Server, pyrt: Pyrt, manifest: str) -> None:
        merged = LIVE | {"spec": {"containers": [{"name": "app", "image": "x:2"}]}}
        live.routes[f"PATCH {PODS}/web"] = answer(merged)
        result = pyrt("diff", "-f", manifest)
        assert result.code == 1
        assert result.out.startswith("diff -u -N LIVE/v1.Pod.default.web MERGED/v1.Pod.default.web\n--- LIVE/")
        assert "\n-  - image: x:1\n" in result.out
        assert live.asked[-1].query["dryRun"] == ["All"]

    def test_nothing(self, live: Server, pyrt: Pyrt, manifest: str) -> None:
        live.routes[f"PATCH {PODS}/web"] = answer(LIVE)
        assert pyrt("diff", "-f", manifest).code == 0
