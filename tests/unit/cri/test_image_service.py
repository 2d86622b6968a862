"""What ImageService makes of requests, before a registry is asked."""

from __future__ import annotations

import base64

import pytest

from pyrt.cri import runtime_pb2 as pb
from pyrt.cri.images import keyring_of, user_of
from pyrt.images.credentials import Credential
from pyrt.images.errors import InvalidReferenceError, UnauthorizedError


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", (None, "")),
        ("1002", (1002, "")),
        ("1003:1004", (1003, "")),
        ("www-data", (None, "www-data")),
        ("www-data:33", (None, "www-data")),
        ("0", (0, "")),
        ("1_0", (None, "1_0")),
        (" 1", (None, " 1")),
        (str(2**63), (None, str(2**63))),
    ],
)
def test_the_users_of_images(user: str, expected: tuple[int | None, str]) -> None:
    assert user_of(user) == expected


IMAGE = "registry.example:5000/team/app:1"


@pytest.mark.parametrize(
    ("auth", "credential"),
    [
        (pb.AuthConfig(username="u", password="p"), Credential("u", "p")),
        (pb.AuthConfig(auth=base64.b64encode(b"u:p:q").decode()), Credential("u", "p:q")),
        (pb.AuthConfig(username="u", password="p", auth="nonsense"), Credential("u", "p")),
        (pb.AuthConfig(identity_token="t"), Credential(identity_token="t")),
        (pb.AuthConfig(registry_token="t"), Credential(registry_token="t")),
    ],
)
async def test_every_kind_of_identity(auth: pb.AuthConfig, credential: Credential) -> None:
    keyring = keyring_of(auth, IMAGE)
    assert keyring is not None
    assert await keyring.lookup("registry.example:5000", "team/app") == (credential,)
    assert await keyring.lookup("mirror.example", "team/app") == ()


@pytest.mark.parametrize(
    ("address", "host", "served"),
    [
        ("registry.example:5000", "registry.example:5000", True),
        ("https://registry.example:5000/v2/", "registry.example:5000", True),
        ("https://index.docker.io/v1/", "docker.io", True),
        ("other.example", "registry.example:5000", False),
    ],
)
async def test_an_identity_for_one_server_goes_to_no_other(address: str, host: str, served: bool) -> None:
    keyring = keyring_of(pb.AuthConfig(username="u", password="p", server_address=address), IMAGE)
    assert keyring is not None
    assert bool(await keyring.lookup(host, "team/app")) is served


def test_no_identity() -> None:
    assert keyring_of(pb.AuthConfig(), IMAGE) is None
    assert keyring_of(pb.AuthConfig(server_address="registry.example"), IMAGE) is None


def test_secrets_are_not_told() -> None:
    with pytest.raises(UnauthorizedError) as caught:
        keyring_of(pb.AuthConfig(auth="s3cret!"), IMAGE)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert "s3cret" not in repr(keyring_of(pb.AuthConfig(username="u", password="s3cret!"), IMAGE))


def test_no_reference() -> None:
    with pytest.raises(InvalidReferenceError):
        keyring_of(pb.AuthConfig(username="u"), "UPPER")
