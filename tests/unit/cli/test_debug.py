"""``pyrt debug``: the manifests that it makes, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from pyrt.cli.debugging.manifests import Copying, Visit, guest, node_pod, pod_copy
from pyrt.cli.failure import CliError
from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS
from tests.unit.client.server import Server, answer

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    "spec": {
        "nodeName": "node1",
        "containers": [
            {"name": "app", "image": "app:1", "args": ["x"], "livenessProbe": {}, "imagePullPolicy": "Always"}
        ],
        "initContainers": [{"name": "init", "image": "init:1"}],
        "ephemeralContainers": [{"name": "old", "image": "x"}],
    },
}
VISIT = Visit(image="tools:1", name="guest", words=("sh",), stdin=True, tty=True)


class TestGuest:
    def test_general(self) -> None:
        visit = Visit(
            image="tools:1", name="guest", words=("sh",), env=(("A", "1"),), stdin=True, tty=True, target="app"
        )
        assert guest(POD, visit) == {
            "name": "guest",
            "image": "tools:1",
            "command": ["sh"],
            "env": [{"name": "A", "value": "1"}],
            "stdin": True,
            "tty": True,
            "terminationMessagePolicy": "File",
            "targetContainerName": "app",
            "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
        }

    @pytest.mark.parametrize(
        ("profile", "context"),
        [
            ("legacy", None),
            ("baseline", None),
            ("netadmin", {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}),
            ("sysadmin", {"privileged": True}),
            (
                "restricted",
                {
                    "runAsNonRoot": True,
                    "capabilities": {"drop": ["ALL"]},
                    "allowPrivilegeEscalation": False,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            ),
        ],
    )
    def test_profiles(self, profile: str, context: object) -> None:
        assert guest(POD, Visit(image="x", profile=profile)).get("securityContext") == context

    def test_a_name_that_is_free(self) -> None:
        name = guest(POD, Visit(image="x"))["name"]
        assert name.startswith("debugger-")
        assert len(name) == 14

    def test_custom(self) -> None:
        custom = {"securityContext": {"runAsUser": 0}, "env": [{"name": "A", "value": "2"}]}
        made = guest(POD, Visit(image="x", env=(("A", "1"),), custom=custom))
        assert made["env"] == [{"name": "A", "value": "2"}]
        assert made["securityContext"] == {"capabilities": {"add": ["SYS_PTRACE"]}, "runAsUser": 0}
        with pytest.raises(CliError, match="not modifiable via custom profile"):
            guest(POD, Visit(image="x", custom={"image": "y"}))


class TestCopy:
    def test_one_more_container(self) -> None:
        made, name = pod_copy(POD, VISIT, Copying("copy"))
        assert name == "guest"
        assert made["metadata"] == {"name": "copy", "namespace": "default"}
        spec = made["spec"]
        assert [c["name"] for c in spec["containers"]] == ["app", "guest"]
        assert not {"nodeName", "ephemeralContainers"} & spec.keys()
        assert "livenessProbe" not in spec["containers"][0]
        assert spec["shareProcessNamespace"] is True
        assert spec["initContainers"]

    def test_another_command_for_a_container_that_is_there(self) -> None:
        made, name = pod_copy(POD, Visit(name="app", words=("sh", "-c")), Copying("copy"))
        (container,) = made["spec"]["containers"]
        assert name == "app"
        assert (container["image"], container["command"]) == ("app:1", ["sh", "-c"])
        assert "args" not in container

    def test_other_images_only(self) -> None:
        made, name = pod_copy(POD, Visit(), Copying("copy", images={"*": "x:2"}))
        assert (name, made["spec"]["containers"][0]["image"]) == ("", "x:2")

    def test_what_is_kept(self) -> None:
        copying = Copying(
            "copy",
            share_processes=False,
            keep_labels=True,
            keep_annotations=True,
            keep_liveness=True,
            keep_init_containers=False,
            same_node=True,
        )
        made, _ = pod_copy(POD, VISIT, copying)
        assert (made["metadata"]["labels"], made["metadata"]["annotations"]) == ({"a": "b"}, {"c": "d"})
        assert made["spec"]["containers"][0]["livenessProbe"] == {}
        assert made["spec"]["shareProcessNamespace"] is False
        assert made["spec"]["nodeName"] == "node1"
        assert "initContainers" not in made["spec"]

    def test_the_pod_itself_is_not_touched(self) -> None:
        before = repr(POD)
        pod_copy(POD, VISIT, Copying("copy", images={"app": "x"}))
        assert repr(POD) == before


def test_on_the_node() -> None:
    made = node_pod("node1", VISIT)
    assert made["metadata"]["name"].startswith("node-debugger-node1-")
    spec = made["spec"]
    assert (spec["hostNetwork"], spec["hostPID"], spec["hostIPC"]) == (True, True, True)
    assert spec["volumes"] == [{"name": "host-root", "hostPath": {"path": "/"}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "host-root", "mountPath": "/host"}]
    assert "securityContext" not in spec["containers"][0]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "you must specify --image when not using --copy-to."),
        (("--image=x",), "NAME or filename is required for debug"),
        (("web", "--image=x", "-t"), "-i/--stdin is required for containers with -t/--tty=true"),
        (("web", "--image=x", "--replace"), "--replace may only be used with --copy-to."),
        (("web", "--image=x", "--set-image=a=b"), "--set-image may only be used with --copy-to."),
        (("web", "--copy-to=y"), "you must specify --image, --set-image or command arguments."),
        (("web", "--copy-to=y", "--image=x", "--target=a"), "--target is incompatible with --copy-to. Use --share-"),
        (
            ("web", "--copy-to=y", "--", "sh"),
            "you must specify an existing container or a new image when specifying args.",
        ),
        (("web", "--image=x", "--profile=y"), "unknown profile: y"),
        (("web", "--image=x", "--image-pull-policy=y"), "invalid image pull policy: y"),
        (
            ("web", "--attach"),
            "you must specify --container or create a new container using --image in order to attach.",
        ),
    ],
)
def test_what_makes_no_sense(server: Server, pyrt: Pyrt, words: tuple[str, ...], problem: str) -> None:
    result = pyrt("debug", *words)
    assert result.code == 1
    assert result.err.startswith(f"error: {problem}")
    assert server.asked == []


def test_a_guest_is_sent(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(POD), f"PATCH {PODS}/web/ephemeralcontainers": answer(POD)}
    result = pyrt("debug", "web", "--image=x", "--target=app", "-c", "guest")
    assert result.out.startswith('Targeting container "app".')
    asked = server.asked[-1]
    assert asked.headers["content-type"] == "application/strategic-merge-patch+json"
    assert [c["name"] for c in asked.json()["spec"]["ephemeralContainers"]] == ["guest"]
