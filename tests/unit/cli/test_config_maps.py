"""``create configmap``, ``create secret tls`` and ``describe configmap``, as kubectl has them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from pyrt.cli.commands.create.hashing import with_hash
from tests.unit.cli.conftest import Pyrt
from tests.unit.client.server import Server, answer, status

MAPS = "/api/v1/namespaces/default/configmaps"
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUcq6UuNEm6FbsW5MieJlg99R5FYAwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjMyMzE4MjRaGA8yMTI2MTAzMDIzMTgy
NFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABO3q
jnc3MBUHxuYx6WL+dc6ZJ0kkIZNx2XdaTMwPfRfemLRTwhCJt9J1CX8zShizOI3Z
kSnp/OGv+TZKtkSDVG6jUzBRMB0GA1UdDgQWBBSbH41d3zBpl3btgjrRNX1LmMuH
IDAfBgNVHSMEGDAWgBSbH41d3zBpl3btgjrRNX1LmMuHIDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIEa/qC72dajx7gLbgD3w6TsIzqGOMLOUcfGe
ZLR+G2SaAiEAyIb9WIVsN2tnRvwcv0zCBaDOQoddsVYuwEOCruRr8ZQ=
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgH4+xbGrdqzZlQP9g
Am77/dhiwg9M6w5yd9VVIzATpoShRANCAATt6o53NzAVB8bmMeli/nXOmSdJJCGT
cdl3WkzMD30X3pi0U8IQibfSdQl/M0oYsziN2ZEp6fzhr/k2SrZEg1Ru
-----END PRIVATE KEY-----
"""
ANOTHER_KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIKS9VtJUQi2CBUY/6Mb4bkAbiOKidWaY4p3MfNlb8yNGoAoGCCqGSM49
AwEHoUQDQgAEwYx+ikitcd9hsXJpDzgqqS4IEKen9X9Tbh9dfWqNctpEjIa9+0Mh
xawXbovjMz639Hit0L/fwvBh3zodKgcpbg==
-----END EC PRIVATE KEY-----
"""


def test_from_literals_files_and_directories(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    server.routes[f"POST {MAPS}"] = answer({"metadata": {"name": "conf"}}, 201)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/one").write_text("1")
    (tmp_path / "dir/bytes").write_bytes(b"\xff\0")
    (tmp_path / "dir/below").mkdir()
    words = (f"--from-file={tmp_path}/dir", f"--from-file=named={tmp_path}/dir/one", "--from-literal=a='x=y'")
    assert pyrt("create", "cm", "conf", *words).out == "configmap/conf created\n"
    sent = server.asked[0].json()
    assert sent["metadata"] == {"name": "conf", "namespace": "default"}
    assert sent["data"] == {"a": "x=y", "named": "1", "one": "1"}
    assert sent["binaryData"] == {"bytes": b64encode(b"\xff\0").decode()}


def test_from_a_file_of_variables(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("# words\nA=1=2\n\nB=\n")
    words = ("conf", f"--from-env-file={tmp_path}/vars", "--dry-run=client", "-o", "json")
    assert json.loads(pyrt("create", "configmap", *words).out)["data"] == {"A": "1=2", "B": ""}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from-literal=a/b=1"], '"a/b" is not a valid key name for a ConfigMap: a valid config key must consist of'),
        (
            ["--from-literal=a=1", "--from-literal=a=2"],
            'cannot add key "a", another key by that name already exists in Data for ConfigMap "conf"',
        ),
        (["--from-file=/nowhere"], "error reading /nowhere: no such file or directory"),
        (["--from-env-file=x", "--from-file=y"], "from-env-file cannot be combined with from-file or from-literal"),
    ],
)
def test_from_nonsense(server: Server, pyrt: Pyrt, words: list[str], said: str) -> None:
    result = pyrt("create", "configmap", "conf", *words)
    assert result.code == 1
    assert result.err.startswith(f"error: {said}")


def test_one_that_exists(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"POST {MAPS}"] = status(409, "AlreadyExists", 'configmaps "conf" already exists')
    result = pyrt("create", "configmap", "conf")
    assert (result.code, result.err) == (1, 'error: failed to create configmap: configmaps "conf" already exists\n')


def test_described(server: Server, pyrt: Pyrt) -> None:
    item = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "conf", "namespace": "default", "labels": {"a": "b"}},
        "data": {"one": "1", "many": "x\ny\n"},
        "binaryData": {"raw": b64encode(b"\xff\0").decode()},
    }
    server.routes[f"GET {MAPS}/conf"] = answer(item)
    said = pyrt("describe", "cm", "conf", "--show-events=false").out
    assert said == (
        "Name:         conf\nNamespace:    default\nLabels:       a=b\nAnnotations:  <none>\n\n"
        "Data\n====\nmany:\n----\nx\ny\n\n\none:\n----\n1\n\n\nBinaryData\n====\nraw: 2 bytes\n\n"
    )


def test_tls(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text(CERTIFICATE)
    (tmp_path / "tls.key").write_text(KEY)
    words = (f"--cert={tmp_path}/tls.crt", f"--key={tmp_path}/tls.key", "--dry-run=client", "-o", "json")
    made = json.loads(pyrt("create", "secret", "tls", "web", *words).out)
    assert made["type"] == "kubernetes.io/tls"
    assert {key: b64decode(text).decode() for key, text in made["data"].items()} == {
        "tls.crt": CERTIFICATE,
        "tls.key": KEY,
    }


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (ANOTHER_KEY, "tls: private key does not match public key"),
        ("no key", "tls: failed to find any PEM data in certificate or key input"),
    ],
)
def test_tls_with_a_key_of_another(server: Server, pyrt: Pyrt, tmp_path: Path, key: str, said: str) -> None:
    (tmp_path / "tls.crt").write_text(CERTIFICATE)
    (tmp_path / "tls.key").write_text(key)
    result = pyrt("create", "secret", "tls", "web", f"--cert={tmp_path}/tls.crt", f"--key={tmp_path}/tls.key")
    assert (result.code, result.err) == (1, f"error: {said}\n")


def test_tls_without_files(server: Server, pyrt: Pyrt) -> None:
    assert pyrt("create", "secret", "tls", "web").err == "error: key and cert must be specified\n"
    assert pyrt("create", "secret", "tls", "web", "--cert=/no", "--key=/no").err == (
        "error: Cannot read file /no, open /no: no such file or directory\n"
    )


def test_a_name_that_changes_with_the_content(server: Server, pyrt: Pyrt) -> None:
    def name(*words: str) -> str:
        return pyrt("create", *words, "--append-hash", "--dry-run=client", "-o", "name").out.strip()

    plain = name("configmap", "c")
    assert plain.startswith("configmap/c-")
    assert len(plain) == len("configmap/c-") + 10
    assert name("configmap", "c", "--from-literal=a=<&>") != plain
    assert name("secret", "generic", "s", "--from-literal=a=1").startswith("secret/s-")


@pytest.mark.parametrize(
    ("manifest", "suffix"),
    [
        # Of kubectl's own tests (pkg/util/hash), which hash objects without a name.
        ({"kind": "ConfigMap"}, "42745tchd9"),
        ({"kind": "ConfigMap", "data": {"one": ""}}, "9g67k2htb6"),
        ({"kind": "ConfigMap", "data": {"two": "2", "one": "", "three": "3"}}, "f5h7t85m9b"),
        ({"kind": "ConfigMap", "data": {"one": ""}, "binaryData": {"two": ""}}, "698h7c7t9m"),
        ({"kind": "Secret", "type": "my-type"}, "t75bgf6ctb"),
        ({"kind": "Secret", "type": "my-type", "data": {"two": "Mg==", "one": "", "three": "Mw=="}}, "dgcb6h9tmk"),
    ],
)
def test_the_hash_is_kubectls(manifest: dict[str, Any], suffix: str) -> None:
    assert with_hash({"metadata": {"name": ""}, **manifest})["metadata"]["name"] == f"-{suffix}"
