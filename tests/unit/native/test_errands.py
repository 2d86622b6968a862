"""Errands: done in order, until the first step that fails."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pyrt._native import Errand


def steps(*pairs: tuple[Path, str]) -> str:
    return "".join(f"{path}\0{value}\0" for path, value in pairs)


def test_directories_and_files(tmp_path: Path) -> None:
    file = tmp_path / "a" / "file"
    (tmp_path / "a").mkdir()
    file.touch()
    assert Errand(steps((tmp_path / "a", ""), (tmp_path / "b", ""), (file, "text"))).wait() == 0
    assert (tmp_path / "b").is_dir()
    assert file.read_text() == "text"


def test_the_first_that_fails_is_the_last(tmp_path: Path) -> None:
    errand = Errand(steps((tmp_path / "x" / "y", ""), (tmp_path / "z", "")))
    assert errand.wait() == errno.ENOENT
    assert not (tmp_path / "z").exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert Errand(steps((tmp_path / "file", "text"))).wait() == errno.ENOENT
    assert not (tmp_path / "file").exists()


def test_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path
    errands = []
    for number in range(60):
        path = path / str(number)
        errands.append(Errand(steps((path, ""))))
    assert [errand.wait() for errand in reversed(errands)] == [0] * 60
    assert path.is_dir()


@pytest.mark.parametrize("text", ["", "/path", "/path\0", "/path\0value"])
def test_malformed_steps(text: str) -> None:
    with pytest.raises(OSError, match="errand"):
        Errand(text)


def test_an_errand_that_nobody_waits_for_any_more(tmp_path: Path) -> None:
    Errand(steps((tmp_path / "a", ""))).discard()
    assert (tmp_path / "a").is_dir()
