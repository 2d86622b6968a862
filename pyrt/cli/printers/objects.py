"""Whole objects in the format that ``-o`` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyrt.cli.failure import CliError
from pyrt.cli.printers import document
from pyrt.cli.printers.columns import aligned

Object = dict[str, Any]


def render(found: list[Object], *, single: bool, form: str, argument: str = "") -> str:
    """The text of ``found``. With ``single`` the only object stands for itself, otherwise they are put in a List."""
    value = found[0] if single else listing(found)
    if form == "json":
        return document.as_json(value)
    if form == "yaml":
        return document.as_yaml(value)
    if form in {"jsonpath", "jsonpath-file"}:
        from pyrt.cli.printers import jsonpath

        return jsonpath.render(_template(form, argument), value)
    if form in {"custom-columns", "custom-columns-file"}:
        return _custom_columns(_template(form, argument), found, from_file=form.endswith("file"))
    raise CliError(f'unable to match a printer suitable for the output format "{form}"')


def listing(found: list[Object]) -> Object:
    """A v1 List."""
    return {"apiVersion": "v1", "kind": "List", "items": found, "metadata": {"resourceVersion": ""}}


def _template(form: str, argument: str) -> str:
    if not argument:
        raise CliError(f"template format specified but no template given for {form}")
    return Path(argument).read_text() if form.endswith("-file") else argument


def _custom_columns(template: str, found: list[Object], *, from_file: bool) -> str:
    from pyrt.cli.printers.jsonpath import find

    if from_file:
        headers, _, paths = template.strip().partition("\n")
        columns = list(zip(headers.split(), paths.split(), strict=True))
    else:
        columns = [(part.partition(":")[0], part.partition(":")[2]) for part in template.split(",")]
    if any(not path for _, path in columns):
        raise CliError(f"unexpected custom-columns spec: {template}, expected <header>:<json-path-expr>")
    header = [name for name, _ in columns]
    rows = [[",".join(map(_cell, find(path, item))) or "<none>" for _, path in columns] for item in found]
    return aligned([header, *rows])


def _cell(value: object) -> str:
    import json

    if value is None:
        return "<none>"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
