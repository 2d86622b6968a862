"""Which stored credentials apply to which repository, by the rules of docker and the kubelet."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from pyrt.images.credentials import (
    Credential,
    Keyring,
    keyring_of_secrets,
    parse_docker_config,
    read_docker_config,
)
from pyrt.images.errors import UnauthorizedError


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def keyring(**auths: str) -> Keyring:
    document = {"auths": {host: auth(f"{host}:{secret}") for host, secret in auths.items()}}
    return parse_docker_config(json.dumps(document), subject="test")


def users(ring: Keyring, domain: str, path: str = "a/b") -> list[str]:
    return [one.password for one in ring.matching(domain, path)]


@pytest.mark.parametrize(
    ("key", "domain", "path", "matches"),
    [
        ("https://index.docker.io/v1/", "docker.io", "library/x", True),
        ("docker.io", "docker.io", "library/x", True),
        ("index.docker.io/v1", "docker.io", "x/y", True),
        ("https://index.docker.io/v1/", "example.com", "x", False),
        ("example.com", "example.com", "x", True),
        ("http://example.com/v2/", "example.com", "x", True),
        ("example.com", "sub.example.com", "x", False),
        ("*.example.com", "sub.example.com", "x", True),
        ("*.example.com", "a.b.example.com", "x", False),
        ("*.*.example.com", "a.b.example.com", "x", True),
        ("example.com:5000", "example.com:5000", "x", True),
        ("example.com", "example.com:5000", "x", False),
        ("example.com/team", "example.com", "team/app", True),
        ("example.com/team", "example.com", "teammate/app", False),
        ("example.com/team", "example.com", "other", False),
        ("docker.io/team", "docker.io", "team/app", True),
        ("docker.io/team", "docker.io", "library/app", False),
    ],
)
def test_which_entry_applies(key: str, domain: str, path: str, matches: bool) -> None:
    assert bool(keyring(**{key: "s"}).matching(domain, path)) is matches


def test_the_most_specific_comes_first() -> None:
    ring = keyring(**{"example.com": "host", "example.com/team/app": "app", "example.com/team": "team"})
    assert users(ring, "example.com", "team/app") == ["app", "team", "host"]


def test_secrets_come_before_the_operators_file() -> None:
    secret = json.dumps({"auths": {"example.com": {"username": "u", "password": "of-secret"}}})
    assert users(keyring_of_secrets([secret]) + keyring(**{"example.com": "of-file"}), "example.com") == [
        "of-secret",
        "of-file",
    ]


def test_forms_of_an_entry() -> None:
    document = {
        "plain.example": {"username": "u", "password": "p:with:colons"},
        "auth.example": auth("u:p:with:colons"),
        "padded.example": auth("u:p\0\0"),
        "token.example": {**auth("u:"), "identitytoken": "refresh"},
        "bearer.example": {"registrytoken": "bearer"},
        "empty.example": {},
    }
    ring = parse_docker_config(json.dumps({"auths": document}), subject="test")
    assert ring.matching("plain.example", "x") == (Credential("u", "p:with:colons"),)
    assert ring.matching("auth.example", "x") == (Credential("u", "p:with:colons"),)
    assert ring.matching("padded.example", "x") == (Credential("u", "p"),)
    assert ring.matching("token.example", "x") == (Credential("u", "", "refresh"),)
    assert ring.matching("bearer.example", "x") == (Credential(registry_token="bearer"),)
    assert ring.matching("empty.example", "x") == ()


def test_the_old_dockercfg_form() -> None:
    ring = parse_docker_config(json.dumps({"example.com": auth("u:p")}), subject="test")
    assert ring.matching("example.com", "x") == (Credential("u", "p"),)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"auths": []}', '{"auths": {"h": "x"}}', '{"auths": {"h": {"auth": "!"}}}', "[" * 50_000]
)
def test_nonsense_names_its_source(content: str) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        keyring_of_secrets([content])
    assert str(caught.value).startswith("imagePullSecret 0: ")


def test_passwords_are_not_shown() -> None:
    assert "geheim" not in repr(Credential("u", "geheim", "geheim", "geheim"))


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert read_docker_config(tmp_path / "none") == Keyring()


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "docker-credential-test"
    program.write_text(
        "#!/bin/sh\nread server; [ $server = example.com ] || exit 1\n"
        'echo \'{"ServerURL":"x","Username":"helped","Secret":"s"}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


async def test_credential_helpers_of_the_operator(helper: Path) -> None:
    document = json.dumps({"credHelpers": {"example.com": "test"}, "credsStore": "test"})
    ring = parse_docker_config(document, subject="test", helpers=True)
    assert [one.username for one in await ring.lookup("example.com", "x")] == ["helped"]
    assert await ring.lookup("other.example", "x") == ()


async def test_a_secret_cannot_name_a_program(helper: Path) -> None:
    ring = keyring_of_secrets([json.dumps({"auths": {}, "credHelpers": {"example.com": "test"}})])
    assert await ring.lookup("example.com", "x") == ()


async def test_a_helper_is_a_plain_name(helper: Path) -> None:
    document = json.dumps({"credHelpers": {"example.com": "../test"}})
    ring = parse_docker_config(document, subject="test", helpers=True)
    assert await ring.lookup("example.com", "x") == ()
