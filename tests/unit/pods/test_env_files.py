"""Files of variables: their syntax, and what their writer may have put there instead."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.pods.env_files import FILE_MAX, LINE_MAX, EnvFileError, VolumeFiles, variables
from pyrt.volumes.types import PreparedVolume


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("A='1'", [("A", "1")]),
        ("  \tA='1'\nB=''\n", [("A", "1"), ("B", "")]),
        ("# words\n\n   # more = x\n \t\nA='1' # why\nB='2'#'\n", [("A", "1"), ("B", "2")]),
        ("A='x=y # $Z ${Z} \"q\" \\n'", [("A", 'x=y # $Z ${Z} "q" \\n')]),
        ("A='one\n\n three'\nB='2'", [("A", "one\n\n three"), ("B", "2")]),
        ("A= '1'\nB=\t\nC='3'", [("A", ""), ("B", ""), ("C", "3")]),
        ("A='1'\r\nB='2'\r\n", [("A", "1"), ("B", "2")]),
        ("A-b.c='1'\nA='2'\nA='3'", [("A-b.c", "1"), ("A", "2"), ("A", "3")]),
    ],
)
def test_what_is_read(text: str, found: list[tuple[str, str]]) -> None:
    assert list(variables(text)) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A='1'\nnothing\n", "at line 2: missing '='"),
        ("='1'", "at line 1: empty variable name"),
        ("A ='1'", "at line 1: whitespace before '=' is not allowed"),
        ("A=", "at line 1: value must be enclosed in single quotes"),
        ("A=secret", "at line 1: value must be enclosed in single quotes"),
        ('A="1"', "at line 1: value must be enclosed in single quotes"),
        ("A='1'x", "at line 1: unexpected content after closing quote"),
        ("A='1\n2' B='3'", "at line 2: unexpected content after closing quote"),
        ("\nA='1\n2", "at line 2: unclosed single quote"),
        ("A='" + "x" * LINE_MAX, f"at line 1: the line has {LINE_MAX} bytes or more"),
    ],
)
def test_what_is_not_of_the_syntax(text: str, words: str) -> None:
    with pytest.raises(EnvFileError) as caught:
        list(variables(text))
    assert str(caught.value) == f"couldn't parse env file: invalid environment variable format {words}"


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=50).filter(
        lambda t: "'" not in t
    )
)
def test_anything_stands_between_quotes(value: str) -> None:
    assert list(variables(f"A='{value}'\n")) == [("A", value)]


def test_a_shell_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "vars"
    path.write_text("  A='one $HOME'\n# x\n\nB='two\n lines' # why\nC=''\n")
    script = f'. {path}; printf \'%s|\' "$A" "$B" "$C"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.split("|")[:3] == [value for _, value in variables(path.read_text())]


def value(directory: Path, path: str, name: str = "A") -> str | None:
    return VolumeFiles({"work": PreparedVolume("work", "emptyDir", directory)}).value("work", path, name)


def test_out_of_a_volume(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/vars").write_text("A='1'\nE=''\n")
    (tmp_path / "link").symlink_to("/d/vars")
    assert value(tmp_path, "d/vars") == "1"
    assert value(tmp_path, "/d//vars") == "1"
    assert value(tmp_path, "link") == "1", "an absolute link starts at the volume"
    assert value(tmp_path, "d/vars", "B") is None
    assert value(tmp_path, "d/vars", "E") is None, "as under the kubelet, empty is missing"
    assert value(tmp_path, "no") is None
    assert value(tmp_path, "d/no") is None


def test_only_as_far_as_the_variable(tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("A='1'\nnonsense\n")
    assert value(tmp_path, "vars") == "1"
    with pytest.raises(EnvFileError):
        value(tmp_path, "vars", "B")


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("A='1'")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "up").symlink_to("../outside")
    (volume / "away").symlink_to(tmp_path / "outside")
    assert value(volume, "up") is None
    assert value(volume, "away") is None


@pytest.mark.parametrize("kind", ["pipe", "directory", "large", "bytes"])
def test_what_is_no_file_of_text(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "vars"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "large":
            path.touch()
            os.truncate(path, FILE_MAX + 1)
        case "bytes":
            path.write_bytes(b"A='\xff'")
    with pytest.raises(EnvFileError, match="vars: couldn't parse env file"):
        value(tmp_path, "vars")


def test_a_volume_that_is_not_there() -> None:
    with pytest.raises(EnvFileError, match='cannot find the volume "work" referenced by FileKeyRef'):
        VolumeFiles({}).value("work", "vars", "A")
