"""What a container's tar may not do to the machine that copies from it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from pyrt.cli.failure import CliError
from pyrt.cli.tarball import HostileArchiveError, archive, extract


def member(
    name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    info.pax_headers = {"content": content.decode()}
    return info


def unpack(target: Path, *members: tarfile.TarInfo, top: str = "top") -> tuple[int, list[str]]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(info.pax_headers["content"].encode()) if info.isreg() else None)
    buffer.seek(0)
    said: list[str] = []
    return extract(buffer, top, target, said.append), said


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "inner" / "out"


@pytest.fixture(autouse=True)
def inner(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()


@pytest.mark.parametrize(
    "name", ["top/../../evil", "../evil", "/evil", "top/../other/evil", "other/evil", "./../evil", "top/.."]
)
def test_names_that_lead_outside_end_the_copy(target: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(HostileArchiveError, match="refusing to copy"):
        unpack(target, member(name))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_nothing_is_written_through_a_link_made_first(target: Path, tmp_path: Path) -> None:
    # CVE-2019-1002101
    victim = tmp_path / "victim"
    victim.mkdir()
    count, said = unpack(
        target,
        member("top/link", kind=tarfile.SYMTYPE, link=str(victim)),
        member("top/link/file", b"evil"),
    )
    assert list(victim.iterdir()) == []
    assert said == [f'warning: skipping symlink: "top/link" -> "{victim}"']
    assert (count, (target / "link" / "file").read_bytes()) == (1, b"evil")


def test_links_that_stand_in_the_destination_lead_nowhere(target: Path, tmp_path: Path) -> None:
    # CVE-2019-11249, and whoever else may write to the destination
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "precious").write_text("precious")
    target.mkdir()
    (target / "link").symlink_to(victim)
    (target / "file").symlink_to(tmp_path / "precious")
    with pytest.raises(HostileArchiveError):
        unpack(target, member("top/link/evil"))
    with pytest.raises(CliError):
        unpack(target, member("top/file", b"evil"))
    assert list(victim.iterdir()) == []
    assert (tmp_path / "precious").read_text() == "precious"


def test_hard_links_are_copies_of_what_is_inside(target: Path, tmp_path: Path) -> None:
    count, _ = unpack(target, member("top/a", b"one"), member("top/b", kind=tarfile.LNKTYPE, link="top/a"))
    assert (count, (target / "b").read_bytes()) == (2, b"one")
    assert (target / "b").stat().st_nlink == 1
    with pytest.raises(HostileArchiveError):
        unpack(target, member("top/c", kind=tarfile.LNKTYPE, link="/etc/passwd"))
    with pytest.raises(HostileArchiveError):
        unpack(target, member("top/d", kind=tarfile.LNKTYPE, link="top/../../precious"))
    with pytest.raises(HostileArchiveError):
        unpack(target, member("top/a", kind=tarfile.LNKTYPE, link="top/a"))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_special_files_are_left_out(target: Path, kind: bytes) -> None:
    assert unpack(target, member("top/dev", kind=kind)) == (0, ['warning: skipping special file: "top/dev"'])


def test_set_user_id_bits_are_dropped(target: Path) -> None:
    unpack(target, member("top/program", mode=0o6755))
    assert (target / "program").stat().st_mode & 0o7777 == 0o755


def test_a_file_for_a_file(target: Path) -> None:
    assert unpack(target, member("top", b"content"))[0] == 1
    assert target.read_bytes() == b"content"


def test_everything_of_a_directory(target: Path) -> None:
    unpack(target, member("./", kind=tarfile.DIRTYPE), member("./a/b", b"1"), top=".")
    assert (target / "a" / "b").read_bytes() == b"1"


def test_garbage(target: Path) -> None:
    with pytest.raises(CliError, match="cannot be read"):
        extract(io.BytesIO(os.urandom(2048)), "top", target, print)


def test_there_and_back(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(b"content")
    buffer = io.BytesIO()
    archive(buffer, source, "name")
    buffer.seek(0)
    extract(buffer, "name", target, print)
    assert (target / "deep" / "file").read_bytes() == b"content"
