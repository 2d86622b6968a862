"""Which images the configuration pins."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pyrt.images.pins import Pins

BUSYBOX = ("docker.io/library/busybox:1.36", "docker.io/library/busybox@sha256:" + "a" * 64)


@dataclass(frozen=True)
class Named:
    names: tuple[str, ...]


@pytest.mark.parametrize(
    "pattern",
    [
        "busybox:1.36",
        "docker.io/library/busybox:1.36",
        "busybox@sha256:" + "a" * 64,
        "busybox:*",
        "docker.io/library/*",
        "*busybox*",
        "busybox:1.3?",
    ],
)
def test_by_every_way_to_write_its_name(pattern: str) -> None:
    assert Pins([pattern]).hold(Named(BUSYBOX))


@pytest.mark.parametrize("pattern", ["busybox", "busybox:1", "box:*", "docker.io/busybox*", "registry.k8s.io/*", "UP"])
def test_others_are_not(pattern: str) -> None:
    assert not Pins([pattern]).hold(Named(BUSYBOX))


def test_an_image_without_a_name_is_not() -> None:
    assert not Pins(["*"]).hold(Named(()))
    assert not Pins([]).hold(Named(BUSYBOX))
