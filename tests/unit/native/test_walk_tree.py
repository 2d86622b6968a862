"""tree_usage and tree_set_group: all of a tree that is not ours, and nothing else."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from pyrt._native import remove_tree, tree_set_group, tree_usage

GROUP = 4242

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")


def blocks(path: Path) -> int:
    return path.lstat().st_blocks * 512


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_is_counted(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a/b").mkdir(parents=True)
    (top / "a/file").write_bytes(b"x" * 100_000)
    (top / "a/b/second name").hardlink_to(top / "a/file")
    (top / "link").symlink_to("/")
    (top / "sparse").touch()
    os.truncate(top / "sparse", 1 << 40)
    everything = [top, top / "a", top / "a/b", top / "a/file", top / "link", top / "sparse"]
    found = tree_usage(top)
    assert found.inodes == len(everything)
    assert abs(found.bytes - sum(map(blocks, everything))) <= 1  # the shares of a file's names are rounded


def test_no_such_directory_and_links_to_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tree_usage(tmp_path / "nothing")
    (tmp_path / "link").symlink_to("/usr")
    with pytest.raises(OSError, match="link"):
        tree_usage(tmp_path / "link")


def test_wide_and_deeper_than_a_path_can_say(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    for number in range(1000):
        (top / f"{number:04}").mkdir() if number % 3 else (top / f"{number:04}").touch()
    fd = os.open(top, os.O_RDONLY)
    for depth in range(500):
        os.mkdir("deep" * 10, dir_fd=fd)
        below = os.open("deep" * 10, os.O_RDONLY, dir_fd=fd)
        for number in range(3):
            os.close(os.open(f"{depth}.{number}", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(fd)
        fd = below
    os.close(fd)
    assert tree_usage(top).inodes == 1 + 1000 + 500 * 4
    if os.geteuid() == 0:
        tree_set_group(top, GROUP)
        assert top.stat().st_gid == GROUP
    remove_tree(top)


@as_root
def test_the_group_and_the_modes(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(0o600)
    top = tmp_path / "top"
    (top / "inner").mkdir(parents=True, mode=0o700)
    (top / "inner").chmod(0o500)
    (top / "file").touch(0o600)
    (top / "program").touch()
    (top / "program").chmod(0o4755)
    (top / "link").symlink_to(outside)
    tree_set_group(top, GROUP)
    assert {p.lstat().st_gid for p in (top, *top.rglob("*"))} == {GROUP}
    assert (mode(top / "inner"), mode(top / "file"), mode(top / "program")) == (0o2770, 0o660, 0o4775)
    assert (outside.stat().st_gid, mode(outside)) == (os.getgid(), 0o600)


@as_root
def test_read_only_volumes_are_not_made_writable(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir(mode=0o700)
    (top / "file").touch(0o600)
    tree_set_group(top, GROUP, readonly=True)
    assert (mode(top), mode(top / "file")) == (0o2750, 0o640)


@as_root
def test_a_swapped_directory_leads_nowhere(tmp_path: Path) -> None:
    """Somebody exchanges directories for links to the outside as fast as it goes."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "secret").touch(0o600)
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(top / "a", top / "b")
            os.symlink(outside, top / "a")
            os.unlink(top / "a")
            os.rename(top / "b", top / "a")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(1000):
            tree_set_group(top, GROUP + number % 2)
    finally:
        stop.set()
        swapper.join()
    assert (outside.stat().st_gid, mode(outside)) == (os.getgid(), 0o700)
    assert ((outside / "secret").stat().st_gid, mode(outside / "secret")) == (os.getgid(), 0o600)
    shutil.rmtree(top)
