"""remove_tree: all of a tree, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrt._native import remove_tree


def test_files_directories_links_and_pipes(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    top = tmp_path / "top"
    for name in ("a", "a/b", "a/b/c", "empty", "z"):
        (top / name).mkdir(parents=True, exist_ok=True)
        (top / name / "file").write_text(name)
    (top / "a/link").symlink_to(outside)
    (top / "z/up").symlink_to("../..")
    os.mkfifo(top / "pipe")
    remove_tree(top)
    assert sorted(os.listdir(tmp_path)) == ["outside"]
    assert (outside / "kept").read_text() == "x"


def test_many_in_one_directory(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    for number in range(3000):
        (top / f"{number}").mkdir() if number % 3 == 0 else (top / f"{number}").touch()
    (top / "0" / "inner").touch()
    remove_tree(top)
    assert not top.exists()


def test_deeper_than_a_path_can_say(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("down", dir_fd=at)
        below = os.open("down", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    before = len(os.listdir("/proc/self/fd"))
    remove_tree(str(top))
    assert not top.exists()
    assert len(os.listdir("/proc/self/fd")) == before


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remove_tree(tmp_path / "nothing")


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/etc")])
def test_what_is_no_directory(tmp_path: Path, make: object) -> None:
    path = tmp_path / "one"
    make(path)  # type: ignore[operator]
    with pytest.raises(NotADirectoryError):
        remove_tree(path)
    assert os.path.lexists(path)
