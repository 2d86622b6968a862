from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyrt.cli import run
from tests.unit.client.server import Server


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Pyrt = Callable[..., Result]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "api.sock") as running:
        yield running


@pytest.fixture
def pyrt(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pyrt:
    """Run a command line against the test's server; no daemon is ever started."""
    monkeypatch.setenv("PYRT_SOCKET", str(tmp_path / "api.sock"))
    monkeypatch.delenv("PYRT_CONFIG", raising=False)

    def call(*words: str) -> Result:
        code = run(list(words))
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call
