"""``Table`` objects: the server made the columns, the client sets the type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyrt.cli.printers.columns import Columns, one_line

Object = dict[str, Any]


class TablePrinter:
    """Prints tables of one kind, one after another: the headers once, the widths remembered.

    ``prefix`` is ``pod`` when names are to be printed as ``pod/web``.
    """

    def __init__(
        self,
        *,
        wide: bool = False,
        with_namespace: bool = False,
        show_labels: bool = False,
        label_columns: tuple[str, ...] = (),
        headers: bool = True,
        prefix: str = "",
    ) -> None:
        self._wide = wide
        self._with_namespace = with_namespace
        self._show_labels = show_labels
        self._label_columns = label_columns
        self._headers = headers
        self._prefix = prefix
        self._definitions: list[Object] = []
        self._columns = Columns()

    def render(self, tables: Iterable[Object], *, before: tuple[str, ...] = ()) -> str:
        """The text of ``tables``; ``before`` are cells put in front of each row (``--output-watch-events``)."""
        rows: list[list[str]] = []
        for table in tables:
            # In a watch only the first Table carries its columns.
            self._definitions = table.get("columnDefinitions") or self._definitions
            shown = [i for i, column in enumerate(self._definitions) if self._wide or not column.get("priority")]
            if self._headers:
                self._headers = False
                rows.append(self._header(shown, before))
            rows += [[*before, *self._row(row, shown)] for row in table.get("rows") or ()]
        return "".join(line + "\n" for line in self._columns.lines(rows))

    def _header(self, shown: list[int], before: tuple[str, ...]) -> list[str]:
        cells = ["EVENT"] if before else []
        if self._with_namespace:
            cells.append("NAMESPACE")
        cells += [self._definitions[index]["name"].upper() for index in shown]
        cells += [label.rpartition("/")[2].upper() for label in self._label_columns]
        if self._show_labels:
            cells.append("LABELS")
        return cells

    def _row(self, row: Object, shown: list[int]) -> list[str]:
        metadata = (row.get("object") or {}).get("metadata") or {}
        labels = metadata.get("labels") or {}
        values = row["cells"]
        cells = [metadata.get("namespace", "")] if self._with_namespace else []
        for index in shown:
            text = one_line(values[index]) if index < len(values) else ""
            first = self._prefix and self._definitions[index]["name"].lower() == "name"
            cells.append(f"{self._prefix}/{text}" if first else text)
        cells += [labels.get(label, "") for label in self._label_columns]
        if self._show_labels:
            cells.append(label_text(labels))
        return cells


def label_text(labels: dict[str, str] | None) -> str:
    """``a=1,b=2``, sorted; ``<none>`` for none."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def row_names(table: Object) -> list[str]:
    """The names of the objects in the rows."""
    return [((row.get("object") or {}).get("metadata") or {}).get("name", "") for row in table.get("rows") or ()]
