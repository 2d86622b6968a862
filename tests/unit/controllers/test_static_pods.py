"""Static pods without a node: from text to a pod, and from what sources say to what is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyrt.controllers.static.errors import SourceError, StaticPodError
from pyrt.controllers.static.identity import HASH, ORIGIN, SEEN, SOURCE, fnv128a
from pyrt.controllers.static.manifest import Node, parse
from pyrt.controllers.static.plan import Wanted, decide
from pyrt.controllers.static.sources import read_directory
from pyrt.kube.pod import Pod
from pyrt.kube.update import MIRROR

NODE = Node("machine", "m-1")


def manifest(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "image": "app:1"}], **spec},
    }


def read(value: Any, kind: str = "file", origin: str = "/m/web.yaml") -> list[Pod]:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse(text, kind=kind, origin=origin, node=NODE, seen="2026-11-23T00:00:00Z")


def one(value: Any, kind: str = "file", origin: str = "/m/web.yaml") -> Pod:
    (pod,) = read(value, kind, origin)
    return pod


def test_the_hash_is_fnv() -> None:
    assert fnv128a(b"") == "6c62272e07bb014262b821756295c58d"
    assert fnv128a(b"a") == "d228cb696f1a8caf78912b704e4a8964"
    assert fnv128a(b"foobar") == "343e1662793c64bf6f0d3597ba446f18"


class TestIdentity:
    def test_a_static_pod(self) -> None:
        pod = one(manifest())
        meta = pod.metadata
        assert (meta.namespace, meta.name) == ("default", "web-machine")
        assert len(meta.uid) == 32
        assert meta.annotations == {
            SOURCE: "file",
            SEEN: "2026-11-23T00:00:00Z",
            HASH: meta.uid,
            MIRROR: meta.uid,
            ORIGIN: "/m/web.yaml",
        }
        assert [(o.kind, o.name, o.uid) for o in meta.owner_references] == [("Node", "machine", "m-1")]
        assert pod.spec.node_name == "machine"
        assert [(t.operator, t.effect) for t in pod.spec.tolerations] == [("Exists", "NoExecute")]
        assert pod.spec.service_account_name == ""

    def test_the_uid_is_the_manifests(self) -> None:
        uid = one(manifest()).metadata.uid
        assert one(manifest()).metadata.uid == uid
        assert one(json.dumps(manifest(), indent=3).encode()).metadata.uid == uid  # the layout of the text is nothing
        assert one(manifest(hostNetwork=True)).metadata.uid != uid
        assert one(manifest(), origin="/m/other.yaml").metadata.uid != uid
        assert one(manifest(), "http", "http://x/").metadata.uid != uid

    def test_a_uid_can_be_given(self) -> None:
        given = manifest()
        given["metadata"]["uid"] = "mine"
        pod = one(given)
        assert pod.metadata.uid == "mine"
        assert pod.metadata.annotations[HASH] == pod.metadata.annotations[MIRROR] != "mine"
        given["metadata"]["uid"] = "../../etc"
        with pytest.raises(StaticPodError, match=r"metadata.uid: expected at most 63 letters"):
            one(given)

    def test_what_only_the_node_says_is_not_taken_from_the_file(self) -> None:
        given = manifest()
        given["metadata"] |= {
            "annotations": {"kubernetes.io/config.mirror": "x", "note": "kept"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["a/b"],
        }
        meta = one(given).metadata
        assert meta.annotations["note"] == "kept"
        assert meta.annotations[MIRROR] == meta.uid
        assert (meta.deletion_timestamp, meta.finalizers) == (None, [])

    def test_a_list_comes_from_a_url_only(self) -> None:
        pods = {"apiVersion": "v1", "kind": "PodList", "items": [manifest("a"), manifest("b")]}
        assert [pod.metadata.name for pod in read(pods, "http", "http://x/")] == ["a-machine", "b-machine"]
        with pytest.raises(StaticPodError, match="kind: expected v1 Pod, got v1 PodList"):
            read(pods)


PROJECTED = [{"serviceAccountToken": {"path": "t"}}]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"serviceAccountName": "a"}, "spec.serviceAccountName: static pods may not reference serviceaccounts"),
        ({"imagePullSecrets": [{"name": "a"}]}, "spec.imagePullSecrets: static pods may not reference secrets"),
        (
            {"volumes": [{"name": "v", "secret": {"secretName": "a"}}]},
            r"spec.volumes\[0\]: static pods may not reference secrets \(via secret volumes\)",
        ),
        (
            {"volumes": [{"name": "v", "projected": {"sources": PROJECTED}}]},
            r"spec.volumes\[0\]: static pods may not reference serviceaccounts \(via projected volumes\)",
        ),
        (
            {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]},
            r"persistentvolumeclaims \(via ephemeral volumes\)|spec.volumes\[0\]",
        ),
        (
            {
                "containers": [
                    {
                        "name": "a",
                        "image": "b",
                        "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}],
                    }
                ]
            },
            r"spec.containers\[0\].env: static pods may not reference configmaps",
        ),
        ({"containers": []}, "invalid pod: spec.containers: Required value"),
        ({"ephemeralContainers": [{"name": "e", "image": "i"}]}, "spec.ephemeralContainers: Forbidden: cannot be set"),
        ({"runtimeClassName": "kata"}, "invalid pod: spec.runtimeClassName: Forbidden"),
    ],
)
def test_what_a_static_pod_may_not_be(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(StaticPodError, match=message) as caught:
        one(manifest(**spec))
    assert str(caught.value).startswith("/m/web.yaml: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "expected one Pod, got 0 documents"),
        (b"a: 1\n---\nb: 2\n", "expected one Pod, got 2 documents"),
        (b"a: [", "couldn't parse as pod"),
        (b"\xff", "couldn't parse as pod"),
        (b"kind: Pod\napiVersion: v1\nmetadata: {}\n", "name is needed for the pod"),
        (b"kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {containers: 1}\n", "strict decoding error"),
    ],
)
def test_what_is_no_manifest(text: bytes, message: str) -> None:
    with pytest.raises(StaticPodError, match=message):
        read(text)


class TestPlan:
    def test_from_nothing(self) -> None:
        web = one(manifest())
        plan = decide(Wanted({"/m/web.yaml": (web,)}), [])
        assert (plan.create, plan.end, plan.errors) == ((web,), (), {})

    def test_what_is_there_stays(self) -> None:
        web = one(manifest())
        assert decide(Wanted({"/m/web.yaml": (web,)}), [one(manifest())]) == decide(Wanted(), [])

    def test_a_change_ends_the_old_one_first(self) -> None:
        old, new = one(manifest()), one(manifest(hostNetwork=True))
        plan = decide(Wanted({"/m/web.yaml": (new,)}), [old])
        assert (plan.create, plan.end, plan.waiting) == ((), (old,), True)
        old.metadata.deletion_timestamp = "2026-11-23T00:00:00Z"
        plan = decide(Wanted({"/m/web.yaml": (new,)}), [old])
        assert (plan.create, plan.end, plan.waiting) == ((), (), True)

    def test_what_is_gone_ends(self) -> None:
        web = one(manifest())
        assert decide(Wanted(), [web]).end == (web,)

    def test_a_source_that_cannot_be_read_takes_nothing_away(self) -> None:
        file, url = one(manifest("a")), one(manifest("b"), "http", "http://x/")
        assert decide(Wanted(unknown=frozenset({"http"})), [file, url]).end == (file,)
        assert decide(Wanted(faulty=frozenset({"/m/web.yaml"})), [file, url]).end == (url,)

    def test_pods_of_the_api_are_nobodys(self) -> None:
        other = one(manifest())
        del other.metadata.annotations[MIRROR]
        plan = decide(Wanted({"/m/web.yaml": (one(manifest()),)}), [other])
        assert (plan.create, plan.end) == ((), ())
        assert plan.errors == {"/m/web.yaml": "metadata.name: pod default/web-machine exists in the API already"}

    def test_two_files_for_one_name(self) -> None:
        a, b = one(manifest(), origin="/m/a"), one(manifest(hostNetwork=True), origin="/m/b")
        plan = decide(Wanted({"/m/b": (b,), "/m/a": (a,)}), [])
        assert plan.create == (a,)
        assert plan.errors == {"/m/b": "metadata.name: pod default/web-machine is defined in /m/a already"}

    def test_two_pods_of_one_uid(self) -> None:
        first, second = manifest("a"), manifest("b")
        first["metadata"]["uid"] = second["metadata"]["uid"] = "same"
        plan = decide(Wanted({"/m/a": (one(first),), "/m/b": (one(second, origin="/m/b"),)}), [])
        assert plan.errors == {"/m/b": "metadata.uid: same is that of pod default/a-machine"}


class TestDirectory:
    def test_every_file_that_is_not_hidden(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("a")
        (tmp_path / "b.bak").write_text("b")
        (tmp_path / ".c.yaml").write_text("c")
        (tmp_path / "below").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / ".c.yaml")
        (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
        found = read_directory(tmp_path)
        assert found == {
            str(tmp_path / name): text for name, text in (("a.yaml", b"a"), ("b.bak", b"b"), ("link", b"c"))
        }

    def test_none(self, tmp_path: Path) -> None:
        assert read_directory(tmp_path / "nothing") == {}
        (tmp_path / "file").touch()
        with pytest.raises(SourceError):
            read_directory(tmp_path / "file")
