"""hostPath: every type, in the kubelet's words."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pyrt.kube.volumes import HostPathVolumeSource, NFSVolumeSource, Volume
from pyrt.volumes import UnsupportedVolumeError, VolumeContext, VolumeError, prepare, teardown


def volume(path: Path | str, kind: str | None = None) -> Volume:
    return Volume(name="data", host_path=HostPathVolumeSource(path=str(path), type=kind))


@pytest.fixture
def context(tmp_path: Path) -> VolumeContext:
    return VolumeContext("uid-1", tmp_path / "volumes")


@pytest.fixture
def there(tmp_path: Path) -> dict[str, Path]:
    """One of everything."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("x")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "socket"))
    sock.close()
    os.mkfifo(tmp_path / "fifo")
    return {name: tmp_path / name for name in ("directory", "file", "socket", "fifo")} | {
        "null": Path("/dev/null"),
        "missing": tmp_path / "missing",
    }


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (None, "directory"), ("", "file"), ("Directory", "directory"), ("DirectoryOrCreate", "directory"),
        ("File", "file"), ("FileOrCreate", "file"), ("Socket", "socket"), ("CharDevice", "null"),
    ],
)  # fmt: skip
def test_what_fits_is_taken(kind: str | None, path: str, there: dict[str, Path], context: VolumeContext) -> None:
    assert prepare(volume(there[path], kind), context).path == there[path]


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("Directory", "file", "is not a directory"),
        ("Directory", "missing", "is not a directory"),
        ("DirectoryOrCreate", "file", "is not a directory"),
        ("File", "directory", "is not a file"),
        ("File", "missing", "is not a file"),
        ("FileOrCreate", "directory", "is not a file"),
        ("Socket", "file", "is not a socket file"),
        ("CharDevice", "file", "is not a character device"),
        ("BlockDevice", "null", "is not a block device"),
    ],
)
def test_what_does_not_is_refused(
    kind: str, path: str, words: str, there: dict[str, Path], context: VolumeContext
) -> None:
    with pytest.raises(VolumeError) as refused:
        prepare(volume(there[path], kind), context)
    assert str(refused.value) == f"volume data: hostPath type check failed: {there[path]} {words}"


def test_an_unknown_type_is_refused(context: VolumeContext) -> None:
    with pytest.raises(VolumeError, match="Floppy is an invalid volume type"):
        prepare(volume("/tmp", "Floppy"), context)


@pytest.mark.parametrize("kind", ["DirectoryOrCreate", ""])
def test_missing_directories_are_made(kind: str, there: dict[str, Path], context: VolumeContext) -> None:
    path = there["missing"] / "below"
    prepare(volume(path, kind), context)
    assert path.is_dir()
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_missing_file_is_made_but_not_its_parents(there: dict[str, Path], context: VolumeContext) -> None:
    prepare(volume(there["missing"], "FileOrCreate"), context)
    assert there["missing"].read_bytes() == b""
    with pytest.raises(VolumeError, match=r"create file .*: No such file or directory"):
        prepare(volume(there["directory"] / "a" / "b", "FileOrCreate"), context)


@pytest.mark.parametrize("path", ["relative", "/a/../b", ""])
def test_a_path_with_dots_is_refused(path: str, context: VolumeContext) -> None:
    with pytest.raises(VolumeError, match=r"volume data: hostPath.path: expected an absolute path"):
        prepare(volume(path), context)


def test_teardown_leaves_the_host_alone(there: dict[str, Path], context: VolumeContext) -> None:
    teardown(volume(there["directory"]), context)
    assert there["directory"].is_dir()


def test_types_of_the_next_issue_are_refused_by_name(context: VolumeContext) -> None:
    with pytest.raises(UnsupportedVolumeError, match="volume n: nfs volumes are not supported yet"):
        prepare(Volume(name="n", nfs=NFSVolumeSource(server="s", path="/p")), context)
