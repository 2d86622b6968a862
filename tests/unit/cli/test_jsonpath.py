from __future__ import annotations

import pytest

from pyrt.cli.failure import CliError
from pyrt.cli.printers.jsonpath import find, render

DATA = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a", "labels": {"app.io/x": "1"}}, "n": 1, "ok": True, "parts": ["p", "q", "r"]},
        {"metadata": {"name": "b"}, "n": 20, "ok": False, "parts": []},
    ],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.kind}", "List"),
        (".kind", "List"),
        ("kind", "List"),
        ("{$.kind}", "List"),
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[0].parts[1:]}", "q r"),
        ("{.items[0].parts[0,2]}", "p r"),
        ("{.items[0].parts}", '["p","q","r"]'),
        ("{.items[0]['metadata'].name}", "a"),
        ("{.items[0].metadata.labels.app\\.io/x}", "1"),
        ("{..name}", "a b"),
        ("{.items[?(@.n>5)].metadata.name}", "b"),
        ('{.items[?(@.metadata.name=="a")].n}', "1"),
        ("{.items[?(@.ok==true)].metadata.name}", "a"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "a"),
        ("{.missing}", ""),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.n}{"\\n"}{end}', "a\t1\nb\t20\n"),
        ("name={.items[0].metadata.name};", "name=a;"),
        ('{range .items[*]}{range .parts[*]}{@}{"-"}{end}{end}', "p-q-r-"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render(template, DATA) == text


@pytest.mark.parametrize(
    "template",
    ["{.items[9].x}", "{.items[x]}", "{.a", "{range .items[*]}{.n}", "{end}", "{.items[?(@.n~1)]}", "{.a b}"],
)
def test_errors(template: str) -> None:
    with pytest.raises(CliError):
        render(template, DATA)


def test_find() -> None:
    assert find(".items[*].n", DATA) == [1, 20]
