"""What a pod tells of itself."""

from __future__ import annotations

import pytest

from pyrt.kube.downward import field_value, go_quoted
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod

POD = Pod(
    metadata=ObjectMeta(
        name="web", namespace="ns", uid="u1", labels={"b": "2", "a": "1"}, annotations={"x/y": 'a "b"\n', "it's": "1"}
    )
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u1"),
        ("metadata.labels", 'a="1"\nb="2"'),
        ("metadata.annotations", 'it\'s="1"\nx/y="a \\"b\\"\\n"'),
        ("metadata.labels['a']", "1"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['x/y']", 'a "b"\n'),
        ("metadata.annotations['it's']", "1"),
        ("metadata.finalizers", None),
        ("metadata.name['a']", None),
        ("spec.nodeName", None),
    ],
)
def test_fields(path: str, value: str | None) -> None:
    assert field_value(POD, path) == value


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", '""'),
        ("plain ö 漢 🌍", '"plain ö 漢 🌍"'),
        ("\a\b\f\n\r\t\v\\\"'", r'''"\a\b\f\n\r\t\v\\\"'"'''),
        ("\x00\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("\u00a0\u200b\ufeff", r'"\u00a0\u200b\ufeff"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_quoted_as_go_does(text: str, quoted: str) -> None:
    assert go_quoted(text) == quoted
