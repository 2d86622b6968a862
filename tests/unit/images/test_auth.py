"""Challenges, as registries really send them."""

from __future__ import annotations

import pytest

from pyrt.images.auth import Challenge, parse_challenges
from pyrt.images.endpoints import is_loopback


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull",
                    },
                )
            ],
        ),
        ('Basic realm="a, \\"quoted\\" realm"', [("basic", {"realm": 'a, "quoted" realm'})]),
        (
            'Basic realm=x, Bearer realm="y",error=z',
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y", "error": "z"})],
        ),
        ('bearer  REALM = "y"', [("bearer", {"realm": "y"})]),
        ("", []),
        ("nonsense", []),
    ],
)
def test_challenges(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert list(parse_challenges(header)) == [Challenge(*one) for one in challenges]


@pytest.mark.parametrize(
    ("domain", "loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.8.8", True),
        ("[::1]:5000", True),
        ("example.com", False),
        ("127.0.0.1.example.com", False),
        ("10.0.0.1:5000", False),
    ],
)
def test_loopback_may_be_plain_http(domain: str, loopback: bool) -> None:
    assert is_loopback(domain) is loopback
