"""pyrt-unpack: what an honest layer becomes, and that a hostile one writes nothing outside its directory."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyrt.images import unpack as installed
from pyrt.images.unpack import file_name

PROGRAM = Path(os.environ.get("PYRT_UNPACK", installed.PROGRAM))
"""Or another build of it: one with sanitizers."""

MTIME = 1_600_000_000


@dataclass
class Result:
    status: int
    answer: dict[str, Any]
    root: Path

    @property
    def ok(self) -> bool:
        return bool(self.answer["ok"])


class Tar:
    """A tar being written; every method adds an entry."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._archive = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(self, name: str, kind: bytes, content: bytes = b"", **fields: Any) -> Tar:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.mtime, member.mode = kind, len(content), MTIME, 0o644
        for key, value in fields.items():
            setattr(member, key, value)
        self._archive.addfile(member, io.BytesIO(content))
        return self

    def file(self, name: str, content: bytes = b"content", **fields: Any) -> Tar:
        return self.add(name, tarfile.REGTYPE, content, **fields)

    def directory(self, name: str, **fields: Any) -> Tar:
        return self.add(name, tarfile.DIRTYPE, **{"mode": 0o755, **fields})

    def symlink(self, name: str, target: str, **fields: Any) -> Tar:
        return self.add(name, tarfile.SYMTYPE, linkname=target, **fields)

    def hardlink(self, name: str, target: str, **fields: Any) -> Tar:
        return self.add(name, tarfile.LNKTYPE, linkname=target, **fields)

    def bytes(self) -> bytes:
        self._archive.close()
        return self._buffer.getvalue()


@pytest.fixture
def unpack(workdir: Path) -> Callable[..., Result]:
    """Unpacks into <workdir>/jail/layer, beside which lies what an attacker would like to reach."""
    jail = workdir / "jail"
    (jail / "layer").mkdir(parents=True)
    (jail / "secret").write_text("untouched")

    def run(content: bytes | Tar, *options: str) -> Result:
        data = content.bytes() if isinstance(content, Tar) else content
        done = subprocess.run([PROGRAM, *options, jail / "layer"], input=data, capture_output=True, timeout=60)
        assert done.stderr == b""
        # Whatever happened, nothing lies outside, and the secret is what it was.
        assert sorted(os.listdir(jail)) == ["layer", "secret"]
        assert (jail / "secret").read_text() == "untouched"
        return Result(done.returncode, json.loads(done.stdout), jail / "layer")

    return run


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


# --- honest layers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["plain", "gzip", "gzip-members", "zstd", "zstd-frames"])
def test_codings_and_both_digests(unpack: Callable[..., Result], coding: str) -> None:
    tar = Tar().directory("a").file("a/f", os.urandom(3_000_000)).bytes()

    def zstd(content: bytes) -> bytes:
        return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout

    stream = {
        "plain": lambda: tar,
        "gzip": lambda: gzip.compress(tar, 1),
        "gzip-members": lambda: gzip.compress(tar[:1000], 1) + gzip.compress(b"") + gzip.compress(tar[1000:], 1),
        "zstd": lambda: zstd(tar),
        "zstd-frames": lambda: b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstd(tar[:7]) + zstd(tar[7:]),
    }[coding]()
    result = unpack(stream)
    assert result.ok, result.answer
    assert result.answer["digest"] == sha256(stream)
    assert result.answer["diff_id"] == sha256(tar)
    assert result.answer["compressed"] == len(stream)
    assert result.answer["content"] == 3_000_000
    assert (result.root / "a/f").stat().st_size == 3_000_000


def test_the_digest_covers_what_follows_the_end_of_the_archive(unpack: Callable[..., Result]) -> None:
    tar = Tar().file("f").bytes() + b"trailing" * 100_000
    assert unpack(tar).answer["diff_id"] == sha256(tar)


@pytest.mark.core
def test_owner_mode_and_time(unpack: Callable[..., Result]) -> None:
    tar = Tar().directory("d", mode=0o2750, uid=7, gid=8).file("d/f", mode=0o4711, uid=1000, gid=100_000)
    tar.symlink("d/l", "/etc/passwd", uid=5, gid=6).directory("t", mode=0o1777)
    root = unpack(tar).root
    directory, file, link = (root / "d").stat(), (root / "d/f").stat(), (root / "d/l").lstat()
    assert (directory.st_uid, directory.st_gid, stat.S_IMODE(directory.st_mode)) == (7, 8, 0o2750)
    assert (file.st_uid, file.st_gid, stat.S_IMODE(file.st_mode)) == (1000, 100_000, 0o4711)
    assert (link.st_uid, link.st_gid, os.readlink(root / "d/l")) == (5, 6, "/etc/passwd")
    assert stat.S_IMODE((root / "t").stat().st_mode) == 0o1777
    assert {int(one.st_mtime) for one in (directory, file, link)} == {MTIME}


def test_setgid_of_a_parent_is_not_inherited(unpack: Callable[..., Result]) -> None:
    root = unpack(Tar().directory("d", mode=0o2755, gid=50).file("d/f").directory("d/sub")).root
    assert (root / "d/f").stat().st_gid == 0
    assert ((root / "d/sub").stat().st_gid, stat.S_IMODE((root / "d/sub").stat().st_mode)) == (0, 0o755)


def test_the_root_entry_sets_the_root(unpack: Callable[..., Result]) -> None:
    root = unpack(Tar().directory("./", mode=0o711, uid=3).file("./f")).root
    assert (stat.S_IMODE(root.stat().st_mode), root.stat().st_uid) == (0o711, 3)


def test_hard_links(unpack: Callable[..., Result]) -> None:
    result = unpack(Tar().file("a").hardlink("b", "a").hardlink("c", "./b").hardlink("a", "b"))
    assert result.ok
    assert len({(result.root / name).stat().st_ino for name in "abc"}) == 1


def test_hard_link_to_a_symlink_links_the_symlink(unpack: Callable[..., Result]) -> None:
    root = unpack(Tar().symlink("s", "/etc/passwd").hardlink("h", "s")).root
    assert os.readlink(root / "h") == "/etc/passwd"


@pytest.mark.core
def test_nodes(unpack: Callable[..., Result]) -> None:
    tar = Tar().add("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
    tar.add("disk", tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o660, gid=6).add("fifo", tarfile.FIFOTYPE)
    root = unpack(tar).root
    assert (root / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK((root / "disk").stat().st_mode)
    assert stat.S_ISFIFO((root / "fifo").stat().st_mode)


def test_extended_attributes_are_kept_and_overlay_ones_are_not(unpack: Callable[..., Result]) -> None:
    capability = b"\x01\0\0\2\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".decode("latin-1")
    headers = {
        "SCHILY.xattr.user.note": "kept",
        "SCHILY.xattr.user.overlay.redirect": "no",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.security.selinux": "no",
        "SCHILY.xattr.security.capability": capability,
    }
    tar = Tar().directory("d", pax_headers={**headers}).file("f", pax_headers=headers, uid=1000)
    root = unpack(tar).root
    assert sorted(os.listxattr(root / "f")) == ["security.capability", "user.note"]
    assert os.getxattr(root / "f", "user.note") == b"kept"
    assert "trusted.overlay.opaque" not in os.listxattr(root / "d")


def test_long_and_strange_names(unpack: Callable[..., Result]) -> None:
    long = "/".join(["x" * 200] * 10)
    names = [f"{long}/{'y' * 255}", "grüße/日本", 'quote"\\', "new\nline", "-rf"]
    tar = Tar()
    for name in names:
        tar.file(name)
    result = unpack(tar)
    assert result.ok, result.answer
    assert all((result.root / name).is_file() for name in names)
    assert file_name(result.answer["implied"][0]) == "grüße"


def test_names_that_are_not_utf8(unpack: Callable[..., Result]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        archive.addfile(tarfile.TarInfo(os.fsdecode(b"caf\xe9/f")))
    result = unpack(buffer.getvalue())
    assert result.ok, result.answer
    assert os.listdir(os.fsencode(result.root)) == [b"caf\xe9"]
    assert [file_name(one) for one in result.answer["implied"]] == [os.fsdecode(b"caf\xe9")]


def test_sparse_files(unpack: Callable[..., Result], workdir: Path) -> None:
    with open(workdir / "sparse", "wb") as file:
        file.truncate(1 << 34)
        file.seek(1 << 33)
        file.write(b"middle")
    tar = subprocess.run(
        ["tar", "-C", workdir, "--sparse", "--format=pax", "-cf", "-", "sparse"], capture_output=True, check=True
    ).stdout
    result = unpack(tar, "--max-bytes=1000000")
    assert result.ok, result.answer
    status = (result.root / "sparse").stat()
    assert status.st_size == 1 << 34
    assert status.st_blocks * 512 < 1 << 20
    with open(result.root / "sparse", "rb") as file:
        file.seek(1 << 33)
        assert file.read(6) == b"middle"


def test_the_last_of_several_entries_wins(unpack: Callable[..., Result]) -> None:
    tar = Tar().file("f", b"1").file("f", b"2").directory("d").file("d/x").file("d", b"3").symlink("s", "d")
    tar.directory("s").file("s/y").file("t").directory("t").directory("t", mode=0o700)
    root = unpack(tar).root
    assert (root / "f").read_bytes() == b"2"
    assert (root / "d").read_bytes() == b"3"
    assert not (root / "s").is_symlink()
    assert (root / "s/y").is_file()
    assert stat.S_IMODE((root / "t").stat().st_mode) == 0o700


def test_entries_below_a_symlink_of_the_layer_follow_it_inside(unpack: Callable[..., Result]) -> None:
    tar = Tar().directory("usr").directory("usr/lib").symlink("lib", "usr/lib").file("lib/x")
    assert (unpack(tar).root / "usr/lib/x").is_file()


# --- what overlayfs has to be told -----------------------------------------------------------------------------------


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(path)


@pytest.mark.core
def test_whiteouts(unpack: Callable[..., Result]) -> None:
    tar = Tar().directory("d").file("d/.wh.gone", b"").file(".wh.also", b"").directory("o").file("o/.wh..wh..opq", b"")
    root = unpack(tar.file("o/new")).root
    assert is_whiteout(root / "d/gone")
    assert is_whiteout(root / "also")
    assert is_opaque(root / "o")
    assert sorted(os.listdir(root / "o")) == ["new"]


def test_a_whiteout_does_not_touch_its_own_layer(unpack: Callable[..., Result]) -> None:
    root = unpack(Tar().file("f").file(".wh.f", b"").directory("d").file("d/x").file(".wh.d", b"")).root
    assert (root / "f").is_file()
    assert (root / "d/x").is_file()
    assert is_opaque(root / "d")


def test_a_directory_after_its_whiteout_hides_what_is_below(unpack: Callable[..., Result]) -> None:
    root = unpack(Tar().file(".wh.d", b"").directory("d").file("d/x")).root
    assert (root / "d/x").is_file()
    assert is_opaque(root / "d")


def test_an_opaque_root_is_reported(unpack: Callable[..., Result]) -> None:
    assert unpack(Tar().file(".wh..wh..opq", b"").file("f")).answer["opaque_root"] is True


def test_bookkeeping_of_aufs_is_left_out(unpack: Callable[..., Result]) -> None:
    root = unpack(Tar().directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2").file(".wh..wh.aufs").file("f")).root
    assert os.listdir(root) == ["f"]


def test_directories_without_an_entry_are_listed(unpack: Callable[..., Result]) -> None:
    result = unpack(Tar().file("a/b/c").file("x/y").directory("x"))
    assert result.answer["implied"] == ["a", "a/b"]


# --- hostile layers --------------------------------------------------------------------------------------------------


def test_absolute_paths_stay_inside(unpack: Callable[..., Result]) -> None:
    result = unpack(Tar().file("/etc/pyrt-owned").hardlink("/l", "/etc/pyrt-owned"))
    assert (result.root / "etc/pyrt-owned").is_file()
    assert not Path("/etc/pyrt-owned").exists()


@pytest.mark.parametrize(
    "tar",
    [
        lambda: Tar().file("../secret"),
        lambda: Tar().file("a/../../secret"),
        lambda: Tar().directory("d").file("d/.."),
        lambda: Tar().directory(".."),
        lambda: Tar().symlink("../link", "x"),
        lambda: Tar().hardlink("h", "../secret"),
        lambda: Tar().hardlink("../h", "x"),
        lambda: Tar().hardlink("h", "no/such"),
        lambda: Tar().directory("d").hardlink("h", "d"),
        lambda: Tar().symlink("a", "b").symlink("b", "a").file("a/f"),
        lambda: Tar().file("f").file("f/below"),
        lambda: Tar().file(".wh."),
        lambda: Tar().file(".wh.."),
        lambda: Tar().file(".wh..."),
        lambda: Tar().file("d/.wh..."),
        lambda: Tar().file("../.wh.secret"),
        lambda: Tar().file(".wh.dir/inner"),
        lambda: Tar().add("zero", tarfile.CHRTYPE, devmajor=0, devminor=0),
        lambda: Tar().file("/".join(["x" * 250] * 20)),
        lambda: Tar().file("x" * 300),
        lambda: Tar().symlink("l", ""),
    ],
)
def test_refused(unpack: Callable[..., Result], tar: Callable[[], Tar]) -> None:
    result = unpack(tar())
    assert result.status == 1
    assert result.answer["kind"] == "hostile", result.answer


@pytest.mark.core
@pytest.mark.parametrize("target", ["..", "/", "../..", "/proc/self/root", "../../../../../../.."])
def test_writing_through_a_symlink_stays_inside(unpack: Callable[..., Result], target: str, workdir: Path) -> None:
    tar = Tar().symlink("out", target).file("out/secret", b"overwritten").file("out/jail/secret", b"overwritten")
    tar.directory("out/made").file("out/.wh.secret2", b"").hardlink("out/hard", "out/secret")
    unpack(tar)
    assert sorted(os.listdir(workdir)) == ["jail"]


def test_a_symlink_to_the_secret_is_replaced_not_written_through(unpack: Callable[..., Result]) -> None:
    result = unpack(Tar().symlink("s", "../secret").file("s", b"own").symlink("t", "/etc/passwd").file("t", b"own"))
    assert (result.root / "s").read_bytes() == b"own"
    assert (result.root / "t").read_bytes() == b"own"


def test_a_hard_link_cannot_reach_out_through_a_symlink(unpack: Callable[..., Result]) -> None:
    result = unpack(Tar().symlink("up", "..").hardlink("stolen", "up/secret"))
    assert result.answer["kind"] == "hostile"
    assert not (result.root / "stolen").exists()


def test_mode_and_owner_do_not_pass_through_symlinks(unpack: Callable[..., Result], workdir: Path) -> None:
    before = (workdir / "jail/secret").stat()
    unpack(Tar().symlink("s", "../secret", mode=0o777, uid=1).directory("d").symlink("d/s", "/"))
    after = (workdir / "jail/secret").stat()
    assert (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid)


def test_a_replaced_parent_is_not_written_through_the_old_one(unpack: Callable[..., Result]) -> None:
    tar = Tar().directory("d").file("d/1").symlink("d", "elsewhere").directory("elsewhere").file("d/2")
    root = unpack(tar).root
    assert (root / "elsewhere/2").is_file()


def test_name_with_nul(unpack: Callable[..., Result]) -> None:
    header = bytearray(Tar().file("aXb", b"").bytes())
    header[1] = 0
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    result = unpack(bytes(header))
    assert os.listdir(result.root) == (["a"] if result.ok else [])


def test_size_limit_stops_a_bomb(unpack: Callable[..., Result]) -> None:
    bomb = gzip.compress(Tar().file("zeros", bytes(64 << 20)).bytes(), 9)
    assert len(bomb) < 100_000
    result = unpack(bomb, "--max-bytes=1000000")
    assert result.answer["kind"] == "limit"
    assert sum(path.stat().st_size for path in result.root.iterdir()) <= 1_000_000


def test_entry_limit(unpack: Callable[..., Result]) -> None:
    tar = Tar()
    for number in range(100):
        tar.file(f"f{number}")
    result = unpack(tar, "--max-entries=50")
    assert result.answer["kind"] == "limit"
    assert len(os.listdir(result.root)) == 50


def test_depth_limit(unpack: Callable[..., Result]) -> None:
    result = unpack(Tar().file("/".join(["d"] * 40)), "--max-depth=30")
    assert result.answer["kind"] == "limit"


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (lambda: b"", "truncated"),
        (lambda: gzip.compress(Tar().file("f", os.urandom(100_000)).bytes())[:-5000], "truncated"),
        (lambda: Tar().file("f", os.urandom(100_000)).bytes()[:50_000], "truncated"),
        (lambda: gzip.compress(Tar().file("f").bytes()) + b"garbage", "corrupt"),
        (lambda: b"\x1f\x8b" + os.urandom(1000), "corrupt"),
        (lambda: b"this is no tar archive at all, whatever it is" * 100, "corrupt"),
        (lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 1000, "corrupt"),
        (lambda: Tar().hardlink("h", "").bytes(), "corrupt"),
    ],
)
def test_damaged_streams(unpack: Callable[..., Result], stream: Callable[[], bytes], kind: str) -> None:
    result = unpack(stream())
    assert (result.status, result.answer["kind"]) == (1, kind), result.answer


def test_damage_is_reported_with_the_digest_of_everything(unpack: Callable[..., Result]) -> None:
    stream = bytearray(gzip.compress(Tar().file("f", os.urandom(2_000_000)).bytes()))
    stream[100_000:100_100] = bytes(100)
    result = unpack(bytes(stream))
    assert not result.ok
    assert result.answer["digest"] == sha256(bytes(stream))


@pytest.mark.core
def test_full_disk(workdir: Path) -> None:
    full = workdir / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", full], check=True)
    try:
        tar = Tar().file("f", bytes(4 << 20)).bytes()
        done = subprocess.run([PROGRAM, full], input=tar, capture_output=True, timeout=60)
    finally:
        subprocess.run(["umount", full], check=True)
    answer = json.loads(done.stdout)
    assert (answer["kind"], answer["errno"]) == ("io", errno.ENOSPC)


def test_the_compressed_copy(workdir: Path) -> None:
    (workdir / "layer").mkdir()
    stream = gzip.compress(Tar().file("f", os.urandom(1_000_000)).bytes())
    with open(workdir / "kept", "wb") as kept:
        command = [str(PROGRAM), f"--keep-fd={kept.fileno()}", str(workdir / "layer")]
        done = subprocess.run(command, input=stream, capture_output=True, pass_fds=[kept.fileno()], timeout=60)
    assert json.loads(done.stdout)["ok"]
    assert (workdir / "kept").read_bytes() == stream


def test_wrong_options_are_refused(workdir: Path) -> None:
    wrong: list[list[str]] = [["--max-bytes=x"], ["--max-bytes=-1"], ["--unknown"], [], ["a", "b"]]
    for options in wrong:
        done = subprocess.run([str(PROGRAM), *options], capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 2
        assert b"usage:" in done.stderr
