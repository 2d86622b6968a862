"""Network configurations: what is read from a directory, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyrt.network.cni.conf import Conf, parse, parse_plugin, parse_version, version_text
from pyrt.network.cni.directory import ConfDirectory
from pyrt.network.cni.errors import ConfigurationError


def conf(**edit: Any) -> str:
    document = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge", "bridge": "cni0"}]}
    return json.dumps({key: value for key, value in {**document, **edit}.items() if value is not None})


def test_a_network_is_its_plugins_with_all_their_own_keys() -> None:
    found = parse(
        conf(
            plugins=[
                {"type": "bridge", "x": [1, {"y": 2.5}]},
                {"type": "portmap", "capabilities": {"a": True, "b": False}},
            ]
        ),
        "x.conflist",
    )
    assert [plugin.type for plugin in found.plugins] == ["bridge", "portmap"]
    assert found.plugins[0].body["x"] == [1, {"y": 2.5}]
    assert found.plugins[1].capabilities == {"a"}


def test_a_network_is_remembered_as_it_was() -> None:
    found = parse(conf(disableCheck=True, disableGC="true", cniVersions=["0.4.0", "1.1.0"]), "x").at((0, 4, 0))
    again = parse(found.text(), "x")
    assert (again.name, again.version, again.plugins) == (found.name, (0, 4, 0), found.plugins)
    assert (again.disable_check, again.disable_gc) == (True, True)


@pytest.mark.parametrize(
    ("edit", "spoken"),
    [
        ({}, ["1.0.0"]),
        ({"cniVersions": ["0.3.1", "0.4.0", "1.1.0"]}, ["1.1.0", "1.0.0", "0.4.0", "0.3.1"]),
        ({"cniVersion": None, "cniVersions": ["0.3.1"]}, ["0.3.1"]),
        ({"cniVersion": "1.2.0", "cniVersions": ["0.3.1", "2.0.0"]}, ["0.3.1"]),
        ({"cniVersion": None}, ["0.1.0"]),
        ({"cniVersion": ""}, ["0.1.0"]),
        ({"cniVersion": "1"}, ["1.0.0"]),
    ],
)
def test_versions_that_are_offered_and_spoken(edit: dict[str, Any], spoken: list[str]) -> None:
    assert [version_text(version) for version in parse(conf(**edit), "x").versions] == spoken


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "no JSON: "),
        (b"\xff\xff", "no UTF-8 text"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "the configuration: expected an object"),
        (conf(name=None), "name: expected letters"),
        (conf(name="../x"), "name: expected letters"),
        (conf(name=3), "name: expected letters"),
        (conf(plugins=[]), "plugins: expected a list of at least one"),
        (conf(plugins={}), "plugins: expected a list of at least one"),
        (conf(plugins=["x"]), r"plugins\[0\]: expected an object"),
        (conf(plugins=[{}]), r"plugins\[0\].type: expected the name of a plugin, got None"),
        (conf(plugins=[{"type": "../sh"}]), r"plugins\[0\].type: expected the name of a plugin"),
        (conf(plugins=[{"type": ".."}]), r"plugins\[0\].type: expected the name of a plugin"),
        (conf(plugins=[{"type": "a", "capabilities": ["x"]}]), r"plugins\[0\].capabilities: expected names"),
        (conf(plugins=None, loadOnlyInlinedPlugins=True), "plugins: expected some, as loadOnlyInlinedPlugins is true"),
        (conf(disableGC="maybe"), "disableGC: expected true or false, got 'maybe'"),
        (conf(cniVersion="1.2.0"), "cniVersion: expected one up to 1.1.0, got 1.2.0"),
        (conf(cniVersion="one"), "expected a version such as 1.0.0, got 'one'"),
        (conf(cniVersion=1), "cniVersion: expected a version such as 1.0.0, got 1"),
        (conf(cniVersions="1.0.0"), "cniVersions: expected a list"),
    ],
)
def test_what_is_refused_is_named_with_its_file(text: str | bytes, error: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^CNI configuration /x.conflist: {error}"):
        parse(text, "/x.conflist")


def test_a_single_plugin_is_a_chain_of_one() -> None:
    found = parse('{"cniVersion":"0.4.0","name":"n","type":"ptp","mtu":1400}', "x.conf", is_list=False)
    assert (found.name, found.version, [p.type for p in found.plugins]) == ("n", (0, 4, 0), ["ptp"])
    assert found.plugins[0].body["mtu"] == 1400
    with pytest.raises(ConfigurationError, match=r"plugins: only in a file whose name ends in .conflist"):
        parse(conf(), "x.conf", is_list=False)


def test_version_numbers() -> None:
    assert parse_version("1.10") > parse_version("1.9.9")
    for text in ("", "1.0.0.0", "v1", "1.-1", "1.01", "１.0"):
        with pytest.raises(ValueError, match="expected a version"):
            parse_version(text)


def names(found: tuple[Conf, ...]) -> list[str]:
    return [one.name for one in found]


def test_the_first_file_by_name_counts(tmp_path: Path) -> None:
    (tmp_path / "20-b.conflist").write_text(conf(name="b"))
    (tmp_path / "10-a.conf").write_text('{"name":"a","type":"ptp"}')
    (tmp_path / "00-readme.txt").write_text("no")
    (tmp_path / "05-not-done.conflist.tmp").write_text("{")
    (tmp_path / "01-directory.conflist").mkdir()
    assert names(ConfDirectory(tmp_path, 1).load()) == ["a"]
    assert names(ConfDirectory(tmp_path, 2).load()) == ["a", "b"]
    assert names(ConfDirectory(tmp_path, 0).load()) == ["a", "b"]


def test_a_directory_is_seen_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "etc/cni"
    directory = ConfDirectory(path, 1)
    assert directory.load() == ()
    path.mkdir(parents=True)
    assert directory.load() == ()
    (path / "20.conflist").write_text(conf(name="b"))
    assert names(directory.load()) == ["b"]
    assert directory.load() is directory.load()
    (path / "10.conflist").write_text("{")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"10.conflist: no JSON"):
            directory.load()
    (path / "new").write_text(conf(name="a"))
    os.replace(path / "new", path / "10.conflist")
    assert names(directory.load()) == ["a"]
    (path / "10.conflist").unlink()
    (path / "20.conflist").unlink()
    assert directory.load() == ()


def test_plugins_of_others_are_beside_the_network(tmp_path: Path) -> None:
    (tmp_path / "10.conflist").write_text(conf())
    directory = ConfDirectory(tmp_path, 1)
    beside = tmp_path / "net"
    beside.mkdir()
    (beside / "20.conf").write_text('{"type":"second"}')
    (beside / "10.conf").write_text('{"type":"first"}')
    (beside / "30.conflist").write_text("no")
    assert [p.type for p in directory.load()[0].plugins] == ["bridge", "first", "second"]
    (beside / "20.conf").unlink()
    assert [p.type for p in directory.load()[0].plugins] == ["bridge", "first"]
    (tmp_path / "10.conflist").write_text(conf(loadOnlyInlinedPlugins=True))
    assert [p.type for p in directory.load()[0].plugins] == ["bridge"]
    (tmp_path / "10.conflist").write_text(conf(plugins=None))
    assert [p.type for p in directory.load()[0].plugins] == ["first"]
    (beside / "10.conf").unlink()
    with pytest.raises(ConfigurationError, match=r"10.conflist: expected plugins"):
        directory.load()


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "10.conflist").symlink_to("nowhere")
    with pytest.raises(ConfigurationError, match=r"10.conflist: No such file or directory"):
        ConfDirectory(tmp_path, 1).load()
    (tmp_path / "20.conflist").write_text(conf())
    (tmp_path / "10.conflist").unlink()
    (tmp_path / "30.conflist").write_text(conf())
    with pytest.raises(ConfigurationError, match="two networks are called net"):
        ConfDirectory(tmp_path, 2).load()
    with pytest.raises(ConfigurationError, match="type: expected the name of a plugin"):
        parse_plugin("{}", "x")
