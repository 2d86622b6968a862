"""Indented ``key: value`` text whose values stand in one column, as ``kubectl describe`` sets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyrt.cli.printable import printable

PADDING = 2


class Writer:
    """Collects lines of tab-separated cells; columns that stand under one another are aligned when it is read.

    As in Go's tab writer, a column is a run of neighbouring lines that have a cell there; a line without one ends it.
    """

    def __init__(self) -> None:
        self._lines: list[list[str]] = []

    def line(self, *cells: str, level: int = 0) -> None:
        """One line, indented by two spaces a level."""
        first, *rest = map(printable, cells or ("",))
        self._lines.append(["  " * level + first, *rest])

    def mapping(self, title: str, values: Mapping[str, Any] | None, level: int = 0, *, equals: str = ": ") -> None:
        """``Labels:  a=b``, one entry a line, ``<none>`` when there are none."""
        if not values:
            self.line(title, "<none>", level=level)
            return
        for index, (key, value) in enumerate(sorted(values.items())):
            self.line(title if index == 0 else "", f"{key}{equals}{value}", level=level)

    def items(self, title: str, values: Sequence[str], level: int = 0) -> None:
        """``Command:`` and below it one item a line."""
        if values:
            self.line(title, level=level)
            for value in values:
                for part in value.split("\n"):
                    self.line(part, level=level + 1)

    def text(self) -> str:
        """Everything, aligned."""
        widths = self._widths()
        return "".join(
            "".join([*(cell.ljust(width) for cell, width in zip(cells[:-1], row, strict=True)), cells[-1]]).rstrip()
            + "\n"
            for cells, row in zip(self._lines, widths, strict=True)
        )

    def _widths(self) -> list[list[int]]:
        widths = [[0] * (len(cells) - 1) for cells in self._lines]
        for column in range(max((len(cells) for cells in self._lines), default=1) - 1):
            for block in self._blocks(column):
                width = max(len(self._lines[index][column]) for index in block) + PADDING
                for index in block:
                    widths[index][column] = width
        return widths

    def _blocks(self, column: int) -> Iterable[list[int]]:
        block: list[int] = []
        for index, cells in enumerate(self._lines):
            if len(cells) - 1 > column:
                block.append(index)
            elif block:
                yield block
                block = []
        if block:
            yield block
