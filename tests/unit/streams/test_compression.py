"""Rotated logs are compressed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from pyrt.streams.compression import compress
from pyrt.streams.logs import segments


@pytest.fixture
def log(tmp_path: Path) -> Path:
    directory = tmp_path / "default_web_u" / "app"
    directory.mkdir(parents=True)
    log = directory / "0.log"
    log.write_text("new\n")
    return log


def rotated(log: Path, stamp: str, text: str, at: int) -> Path:
    path = log.with_name(f"{log.name}.{stamp}")
    path.write_text(text)
    os.utime(path, (at, at))
    return path


def test_all_but_the_newest(log: Path) -> None:
    rotated(log, "20260101-000000", "one\n", 100)
    rotated(log, "20260101-000000-001", "two\n", 200)
    newest = rotated(log, "20260102-000000", "three\n", 300)
    assert compress(log) == 2
    assert newest.read_text() == "three\n"
    packed = log.with_name("0.log.20260101-000000.gz")
    assert gzip.decompress(packed.read_bytes()) == b"one\n"
    assert packed.stat().st_mtime == 100
    assert [s.path.name for s in segments(log)] == [
        "0.log.20260101-000000.gz",
        "0.log.20260101-000000-001.gz",
        "0.log.20260102-000000",
        "0.log",
    ]
    assert compress(log) == 0


def test_other_files_are_left_alone(log: Path) -> None:
    for name in ("1.log.20260101-000000", "0.log.mine", "0.logs", "0.log.20260101-000000.gz"):
        log.with_name(name).write_text("x")
    rotated(log, "20260103-000000", "y", 1)
    before = sorted(os.listdir(log.parent))
    assert compress(log) == 0
    assert sorted(os.listdir(log.parent)) == before


def test_what_a_daemon_left_half_done_goes(log: Path) -> None:
    log.with_name("0.log.20260101-000000.tmp").write_text("x")
    compress(log)
    assert os.listdir(log.parent) == ["0.log"]


def test_nothing_is_followed(log: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    log.with_name("0.log.20260101-000000").symlink_to(secret)
    rotated(log, "20260102-000000", "y", 1)
    with pytest.raises(OSError, match="symbolic"):
        compress(log)
    assert secret.read_text() == "secret"
    away = tmp_path / "elsewhere"
    log.parent.rename(away)
    log.parent.symlink_to(away)
    with pytest.raises(NotADirectoryError):
        compress(log)
