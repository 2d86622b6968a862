"""``create secret`` and ``describe secret``, as kubectl has them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from pyrt.cli.applied import LAST_APPLIED
from tests.unit.cli.conftest import Pyrt
from tests.unit.client.server import Server, answer, status

SECRETS = "/api/v1/namespaces/default/secrets"


def made(pyrt: Pyrt, *words: str) -> dict[str, Any]:
    """The manifest that a command makes, its data decoded."""
    result = pyrt("create", "secret", *words, "--dry-run=client", "-o", "json")
    assert result.code == 0, result.err
    secret: dict[str, Any] = json.loads(result.out)
    return secret | {"data": {key: b64decode(text).decode() for key, text in secret.get("data", {}).items()}}


def test_docker_registry(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"POST {SECRETS}"] = answer({"metadata": {"name": "creds"}}, 201)
    words = ("docker-registry", "creds", "--docker-server=r.example:5000")
    words = (*words, "--docker-username=alice", "--docker-password=wonder")
    assert pyrt("create", "secret", *words).out == "secret/creds created\n"
    sent = server.asked[0].json()
    assert sent["type"] == "kubernetes.io/dockerconfigjson"
    assert sent["metadata"] == {"name": "creds", "namespace": "default"}
    entry = {"username": "alice", "password": "wonder", "auth": b64encode(b"alice:wonder").decode()}
    assert json.loads(b64decode(sent["data"][".dockerconfigjson"])) == {"auths": {"r.example:5000": entry}}


def test_docker_registry_from_a_file(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auths":{}}')
    found = made(pyrt, "docker-registry", "creds", f"--from-file=.dockerconfigjson={tmp_path}/config.json")
    assert found["data"] == {".dockerconfigjson": '{"auths":{}}'}


def test_docker_registry_without_a_password(server: Server, pyrt: Pyrt) -> None:
    result = pyrt("create", "secret", "docker-registry", "creds", "--docker-username=alice")
    assert (result.code, result.err) == (
        1,
        "error: either --from-file or the combination of --docker-username, --docker-password and --docker-server is "
        "required\n",
    )


def test_generic(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/one").write_text("1")
    (tmp_path / "dir/not valid").write_text("2")
    (tmp_path / "vars").write_text("# words\nA=1=2\n\nB=\n")
    words = (f"--from-file={tmp_path}/dir", f"--from-file=named={tmp_path}/vars", "--from-literal=quoted='x y'")
    found = made(pyrt, "generic", "mine", "--type=example.com/mine", *words)
    assert found["type"] == "example.com/mine"
    assert found["data"] == {"one": "1", "named": "# words\nA=1=2\n\nB=\n", "quoted": "x y"}
    assert made(pyrt, "generic", "mine", f"--from-env-file={tmp_path}/vars")["data"] == {"A": "1=2", "B": ""}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from-literal=x"], "invalid literal source x, expected key=value"),
        (["--from-literal=a=1", "--from-literal=a=2"], 'cannot add key "a", another key by that name already exists'),
        (["--from-literal=a/b=1"], '"a/b" is not valid key name for a Secret a valid config key must consist of'),
        (["--from-file=/nowhere"], "error reading /nowhere: no such file or directory"),
        (["--from-file=key="], 'file path for key name "key" missing'),
        (["--from-env-file=x", "--from-literal=a=1"], "from-env-file cannot be combined with from-file"),
    ],
)
def test_generic_from_nonsense(server: Server, pyrt: Pyrt, words: list[str], said: str) -> None:
    result = pyrt("create", "secret", "generic", "mine", *words)
    assert result.code == 1
    assert result.err.startswith(f"error: {said}")
    assert not server.asked


def test_one_that_is_there(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"POST {SECRETS}"] = status(409, "AlreadyExists", 'secrets "mine" already exists')
    result = pyrt("create", "secret", "generic", "mine")
    assert (result.code, result.err) == (1, 'error: failed to create secret secrets "mine" already exists\n')


def test_the_namespace_may_stand_anywhere(server: Server, pyrt: Pyrt) -> None:
    path = "POST /api/v1/namespaces/build/secrets"
    server.routes[path] = answer({}, 201)
    for words in (["create", "-n", "build", "secret", "generic", "a"], ["create", "secret", "generic", "a", "-nbuild"]):
        assert pyrt(*words).out == "secret/a created\n"
    assert pyrt("-n", "build", "create", "secret", "generic", "a").out == "secret/a created\n"
    assert len(server.asked) == 3


def test_create_a_namespace(server: Server, pyrt: Pyrt) -> None:
    server.routes["POST /api/v1/namespaces"] = answer({}, 201)
    assert pyrt("create", "ns", "build").out == "namespace/build created\n"
    assert server.asked[0].json()["metadata"] == {"name": "build"}


def test_create_without_words_wants_a_file(server: Server, pyrt: Pyrt) -> None:
    assert pyrt("create").err == "error: must specify one of -f and -k\n"
    assert pyrt("create", "pod", "x").err.startswith('error: unknown command "pod" for "pyrt create"')


def test_describe_tells_sizes_only(server: Server, pyrt: Pyrt) -> None:
    value = b64encode(b"sesame").decode()
    annotations = {LAST_APPLIED: f'{{"data":{{"door":"{value}"}}}}', "note": "mine"}
    metadata = {"name": "mine", "namespace": "default", "annotations": annotations}
    server.routes[f"GET {SECRETS}/mine"] = answer({"metadata": metadata, "type": "Opaque", "data": {"door": value}})
    assert pyrt("describe", "secret", "mine").out == (
        "Name:         mine\n"
        "Namespace:    default\n"
        "Labels:       <none>\n"
        "Annotations:  note: mine\n"
        "\n"
        "Type:  Opaque\n"
        "\n"
        "Data\n"
        "====\n"
        "door:  6 bytes\n"
    )
