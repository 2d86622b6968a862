"""The directories behind volumes: made, thrown away, swept up."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrt.controllers.storage import directories
from pyrt.controllers.storage.errors import ProvisionError


def test_making_one_twice_keeps_what_is_in_it(tmp_path: Path) -> None:
    root = tmp_path / "volumes"
    directories.make_directory(root, "pvc-1")
    (root / "pvc-1/file").touch()
    directories.make_directory(root, "pvc-1")
    assert os.listdir(root / "pvc-1") == ["file"]
    assert stat.S_IMODE((root / "pvc-1").stat().st_mode) == 0o777


def test_one_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "volumes").touch()
    with pytest.raises(ProvisionError, match="volume pvc-1: create"):
        directories.make_directory(tmp_path / "volumes", "pvc-1")


def test_throwing_one_away(tmp_path: Path) -> None:
    root, outside = tmp_path / "volumes", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    directories.make_directory(root, "pvc-1")
    (root / "pvc-1/link").symlink_to(outside)
    directories.throw_away(root, "pvc-1")
    assert sorted(os.listdir(root)) == [".trash"]
    directories.throw_away(root, "pvc-1")  # it is gone already
    directories.empty_trash(root)
    assert os.listdir(root / ".trash") == []
    assert os.listdir(outside) == ["kept"]


def test_sweeping_leaves_what_has_content(tmp_path: Path) -> None:
    directories.sweep(tmp_path / "none", frozenset())
    for name in ("known", "empty", "full"):
        directories.make_directory(tmp_path, name)
    (tmp_path / "full/file").touch()
    directories.sweep(tmp_path, frozenset({"known"}))
    assert sorted(os.listdir(tmp_path)) == ["full", "known"]
