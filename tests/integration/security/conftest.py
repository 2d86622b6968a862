"""Hostile containers: a runtime of its own for each test, and a program that attacks.

Every test says in its docstring which flaw of which runtime it is about. docs/security.md has the whole list.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pyrt.config import Config
from pyrt.images.types import Image
from tests.integration.daemon.conftest import daemon, layout, pod, shared  # noqa: F401 - fixtures
from tests.integration.runtime.conftest import Host

SOURCE = Path(__file__).with_name("attack.c")


@pytest.fixture(scope="session")
def weapons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer with /bin/attack (attack.c)."""
    layer = tmp_path_factory.mktemp("weapons")
    (layer / "bin").mkdir()
    subprocess.run(["cc", "-static", "-O1", "-w", "-o", layer / "bin/attack", SOURCE], check=True)
    layer.chmod(0o755)
    return layer


@pytest.fixture
async def host(instance: Config, busybox_root: Path) -> AsyncIterator[Host]:
    """A runtime that has begun; at the end nothing of it may be left."""
    host = Host(instance, busybox_root)
    await host.runtime.recover()
    yield host
    assert await host.cleanup() == []


@pytest.fixture
def armed(host: Host, weapons: Path) -> Image:
    """An image with busybox and the attacker's program."""
    return host.image(weapons)
