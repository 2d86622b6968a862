"""Directories whose content is replaced at one instant."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrt.volumes.atomic_writer import checked, is_published, nested_mount_points, write
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.payload import Payload, ProjectedFile


def files(**content: str) -> Payload:
    return {path: ProjectedFile(text.encode(), 0o644) for path, text in content.items()}


def shown(directory: Path) -> dict[str, str]:
    """What a container reads: paths below the top directory, through the links."""
    found = {}
    for name in os.listdir(directory):
        if name.startswith(".."):
            continue
        path = directory / name
        members = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        found |= {str(p.relative_to(directory)): p.read_text() for p in members}
    return found


def versions(directory: Path) -> list[str]:
    return [name for name in os.listdir(directory) if name.startswith("..2")]


def test_files_appear_through_links_into_the_present_version(tmp_path: Path) -> None:
    assert not is_published(tmp_path)
    assert write(tmp_path, {"a": ProjectedFile(b"1", 0o600), "d/e/f": ProjectedFile(b"2", 0o444)})
    assert is_published(tmp_path)
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert os.readlink(tmp_path / "d") == "..data/d"
    assert os.readlink(tmp_path / "..data") == versions(tmp_path)[0]
    assert shown(tmp_path) == {"a": "1", "d/e/f": "2"}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "d/e/f").stat().st_mode) == 0o444
    assert stat.S_IMODE((tmp_path / "d/e").stat().st_mode) == 0o755


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(tmp_path, {"d/a": ProjectedFile(b"", 0o666)})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "d/a").stat().st_mode) == 0o666
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "..data/").stat().st_mode) == 0o755


def test_an_equal_version_stays(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    before = versions(tmp_path)
    assert not write(tmp_path, files(a="1"))
    assert versions(tmp_path) == before


@pytest.mark.parametrize(
    "changed",
    [files(a="2"), files(a="1", b="2"), files(b="1"), {"a": ProjectedFile(b"1", 0o600)}, {}],
    ids=["content", "one more", "another name", "mode", "nothing"],
)
def test_what_differs_is_a_new_version_and_the_old_one_goes(tmp_path: Path, changed: Payload) -> None:
    write(tmp_path, files(a="1"))
    before = versions(tmp_path)
    assert write(tmp_path, changed)
    assert len(versions(tmp_path)) == 1
    assert versions(tmp_path) != before
    assert shown(tmp_path) == {path: file.data.decode() for path, file in changed.items()}


def test_a_reader_of_the_old_version_keeps_it(tmp_path: Path) -> None:
    write(tmp_path, files(a="1", b="1"))
    with (tmp_path / "a").open() as file:
        write(tmp_path, files(a="2"))
        assert file.read() == "1"
    assert not os.path.lexists(tmp_path / "b")


def test_what_a_crash_left_behind_is_cleared_away(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    (tmp_path / "..2020_01_01_00_00_00.1").mkdir()
    (tmp_path / "..2020_01_01_00_00_00.1/half").write_text("x")
    (tmp_path / "..data_tmp").symlink_to("..2020_01_01_00_00_00.1")
    assert not write(tmp_path, files(a="1"))
    assert len(versions(tmp_path)) == 1
    assert write(tmp_path, files(a="2"))
    assert not os.path.lexists(tmp_path / "..data_tmp")
    assert shown(tmp_path) == {"a": "2"}


def test_links_that_were_changed_are_put_right(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to("/etc/hostname")
    (tmp_path / "stray").symlink_to("/etc")
    write(tmp_path, files(a="1"))
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert not os.path.lexists(tmp_path / "stray")


@pytest.mark.parametrize("target", ["/victim", "../victim", "victim"])
def test_links_planted_by_a_container_are_not_followed(tmp_path: Path, target: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "a").write_text("precious")
    directory = tmp_path / "volume"
    directory.mkdir()
    write(directory, files(**{"a": "1", "d/a": "1"}))
    (directory / "..data").unlink()
    (directory / "..data").symlink_to(target.replace("/victim", str(victim)) if target[0] == "/" else target)
    version = directory / versions(directory)[0]
    shutil.rmtree(version / "d")
    (version / "d").symlink_to(victim)
    write(directory, files(**{"a": "2", "d/a": "2"}))
    assert os.listdir(victim) == ["a"]
    assert (victim / "a").read_text() == "precious"
    assert shown(directory) == {"a": "2", "d/a": "2"}


def test_the_volume_itself_must_not_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "volume").symlink_to("there")
    with pytest.raises(OSError, match="Not a directory"):
        write(tmp_path / "volume", files(a="1"))


def test_a_group_may_read_what_it_is_given(tmp_path: Path) -> None:
    gid = os.getgid()
    write(tmp_path, {"d/a": ProjectedFile(b"", 0o400)}, gid=gid)
    assert stat.S_IMODE((tmp_path / "d/a").stat().st_mode) == 0o440
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o2755
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o2755
    assert not write(tmp_path, {"d/a": ProjectedFile(b"", 0o400)}, gid=gid)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", 'must not be empty: ""'),
        (".", "must not be empty"),
        ("/etc/passwd", "must be relative path: /etc/passwd"),
        ("a/../../b", "must not contain '..': a/../../b"),
        ("..", "must not contain '..'"),
        ("..data", "must not start with '..': ..data"),
        ("./..data/x", "must not start with '..'"),
        ("a" * 256, "filenames must be less than or equal to 255 characters"),
        ("a/" * 64 + "a", "must have no more than 64 parts"),
        ("/".join(["a" * 100] * 50), "must be less than or equal to 4096 characters"),
        ("a\0b", "NUL"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path: str, words: str) -> None:
    with pytest.raises(VolumeError, match="invalid path") as caught:
        checked({path: ProjectedFile(b"", 0o644)})
    assert words in str(caught.value)


def test_a_path_cannot_be_a_file_and_a_directory() -> None:
    with pytest.raises(VolumeError, match="a/b is both a file and a directory"):
        checked(files(**{"a/b": "", "a/b/c/d": ""}))


def test_nothing_is_left_of_a_version_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, files(a="1"))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path, files(a="2"))
    assert shown(tmp_path) == {"a": "1"}
    assert len(versions(tmp_path)) == 1


def test_mount_points_inside_the_volume_are_there_before(tmp_path: Path) -> None:
    points = nested_mount_points(
        [{"/etc/app": "mine", "/etc/app/cache": "c", "/etc/app/cache/x": "d", "/var": "v"}], "mine"
    )
    assert points == ("cache",)
    write(tmp_path, files(a="1"), mount_points=points)
    assert (tmp_path / "cache").is_dir()
    write(tmp_path, files(a="2"), mount_points=points)
    assert (tmp_path / "cache").is_dir()


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ([{"/a": "v", "/a-b": "w", "/a/b": "x", "/a/bc/d": "y"}], ("b", "bc/d")),
        ([{"/a": "w", "/a/b": "v"}], ()),
        ([{"/a/": "v", "/a/b/": "w"}, {"/x": "v", "/x/y": "w"}], ("b", "y")),
    ],
)
def test_mount_points_are_the_outermost_ones(mounts: list[dict[str, str]], expected: tuple[str, ...]) -> None:
    assert nested_mount_points(mounts, "v") == expected


_names = st.text("ab.-_", min_size=1, max_size=3).filter(lambda n: not n.startswith("..") and n != ".")
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_payloads = st.dictionaries(
    _paths, st.builds(ProjectedFile, st.binary(max_size=20), st.sampled_from([0o644, 0o600, 0o400, 0o755])), max_size=5
)


@settings(deadline=None, max_examples=100)
@given(st.lists(_payloads, min_size=1, max_size=5))
def test_whatever_came_before_exactly_the_last_payload_is_shown(payloads: list[Payload]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        last: Payload = {}
        for payload in payloads:
            try:
                last = checked(payload)
            except VolumeError:
                continue
            write(directory, payload)
        found = {}
        for entry in os.listdir(directory):
            if entry.startswith(".."):
                continue
            path = directory / entry
            for member in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
                mode = stat.S_IMODE(member.stat().st_mode)
                found[str(member.relative_to(directory))] = ProjectedFile(member.read_bytes(), mode)
        assert found == last
        assert len(versions(directory)) <= 1
