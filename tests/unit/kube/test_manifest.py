from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.kube.manifest import MAX_BYTES, ManifestError, load_documents


def value(text: str) -> Any:
    return load_documents(f"k: {text}\n")[0]["k"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True),
        ("on", True),
        ("y", True),
        ("No", False),
        ("off", False),
        ("'yes'", "yes"),
        ("yEs", "yEs"),
        ("NO1", "NO1"),
        ("~", None),
        ("null", None),
        ("", None),
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("-5", -5),
        ("+5", 5),
        ("08", 8.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("12:30", "12:30"),
        ("22:22:22", "22:22:22"),
        ("2026-11-23", "2026-11-23"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("!!str 1", "1"),
        ("!!int '5'", 5),
        ("|-\n  12", "12"),
        ("18446744073709551616", 18446744073709551616.0),
    ],
)
def test_scalars_are_read_as_go_yaml_reads_them(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_keys_are_text() -> None:
    assert load_documents("1: a\ntrue: b\n~: c\nyes1: d\n") == [{"1": "a", "true": "b", "null": "c", "yes1": "d"}]


def test_several_documents_and_empty_ones() -> None:
    assert load_documents("# start\n---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]
    assert load_documents("") == []
    assert load_documents(b"\xef\xbb\xbfa: 1") == [{"a": 1}]


def test_json_documents() -> None:
    assert load_documents('{"a": 1}') == [{"a": 1}]
    assert load_documents('{"a": 1}\n\n{"b": [null, true]}\n') == [{"a": 1}, {"b": [None, True]}]
    assert load_documents("{a: 1, b: yes}") == [{"a": 1, "b": True}]


def test_anchors_and_merges() -> None:
    documents = load_documents("base: &b {x: 1, w: 2}\nother: {<<: *b, w: 3}\nmany: {<<: [*b, {z: 1}]}\n")
    assert documents[0]["other"] == {"x": 1, "w": 3}
    assert documents[0]["many"] == {"x": 1, "w": 2, "z": 1}
    documents[0]["other"]["x"] = 9
    assert documents[0]["base"] == {"x": 1, "w": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "yaml: line 1: mapping values are not allowed in this context"),
        ("a:\n\t- b", "yaml: line 2: found character that cannot start any token"),
        ("a: 1\nb: 2\na: 3", 'yaml: line 3: key "a" already set in map'),
        ("s:\n- name: x\n  name: y", 'yaml: line 3: key "name" already set in map'),
        ('{"a": 1, "a": 2}', 'duplicate field "a"'),
        ('{"a": 1,}', "invalid JSON: line 1 column"),
        ('{"a": NaN}', "invalid JSON number NaN"),
        ("- a", "expected an object with apiVersion and kind, got a list"),
        ("hello", "expected an object with apiVersion and kind, got the text 'hello'"),
        ("a: 1\n---\n5", "document 2: expected an object with apiVersion and kind, got 5"),
        ("a: &x [*x]", "yaml: line 1: anchor 'x' value contains itself"),
        ("a: *x", "line 1"),
        ("a: !!python/object/apply:os.system [id]", "is not supported"),
        ("a: !foo x", "the tag !foo is not supported"),
        ("a: .inf", ".inf has no form in JSON"),
        ("a: !!int x", "cannot decode `x` as a int"),
        ("? [a]\n: 1", "invalid map key"),
        ("a: {<<: 5}", "map merge requires map or sequence of maps as the value"),
        ("a: \x00", "control characters are not allowed"),
        ("a: [1, 2", "did not find expected"),
        ("%YAML 9", "line"),
    ],
)
def test_bad_text_gives_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_documents(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_invalid_utf8_names_the_line() -> None:
    with pytest.raises(ManifestError, match=r"line 2: invalid UTF-8"):
        load_documents(b"a: 1\nb: \xff\n")


def test_a_manifest_of_ten_mebibytes_is_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(ManifestError, match=r"has 10485760 bytes, but must be smaller than 10485760 bytes \(10 MiB\)"):
        load_documents(b"#" * MAX_BYTES)
    assert time.monotonic() - began < 5


def test_bombs_do_not_go_off() -> None:
    names = "abcdefghi"
    bomb = "a: &a [" + ",".join("x" * 9) + "]\n"
    bomb += "".join(f"{n}: &{n} [{','.join(['*' + p] * 9)}]\n" for p, n in pairwise(names))
    with pytest.raises(ManifestError, match="excessive aliasing"):
        load_documents(bomb)


@pytest.mark.parametrize("text", ["[" * 50_000, "{" * 50_000, "- " * 50_000, "? " * 50_000, '{"a":' * 50_000])
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(ManifestError, match="exceeded max depth"):
        load_documents(text)


@given(st.text(max_size=200))
def test_any_text_gives_objects_or_an_error(text: str) -> None:
    try:
        documents = load_documents(text)
    except ManifestError:
        return
    assert all(isinstance(document, dict) for document in documents)


@given(st.binary(max_size=200))
def test_any_bytes_give_objects_or_an_error(data: bytes) -> None:
    try:
        load_documents(data)
    except ManifestError:
        return


def test_json_objects_may_stand_between_yaml_separators() -> None:
    assert load_documents('{"a": "---"}\n---\n{"b": 1}\n') == [{"a": "---"}, {"b": 1}]
