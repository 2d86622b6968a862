"""Text in columns, three spaces apart and at least six wide, as kubectl's tab writer sets them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyrt.cli.printable import printable

PADDING = 3
MINIMUM = 6


class Columns:
    """Rows that belong together. Widths only grow, so that rows printed later (``-w``) stay under their header."""

    def __init__(self) -> None:
        self._widths: list[int] = []

    def lines(self, rows: Iterable[Sequence[str]]) -> list[str]:
        """One line a row; the last cell is not padded."""
        rows = [[*map(printable, row)] for row in rows]
        for row in rows:
            self._widths += [MINIMUM] * (len(row) - len(self._widths))
            for index, cell in enumerate(row):
                if len(cell) + PADDING > self._widths[index]:
                    self._widths[index] = len(cell) + PADDING
        return ["".join([*map(str.ljust, row[:-1], self._widths), *row[-1:]]) for row in rows]


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """A whole table at once, with a newline after each row."""
    return "".join(line + "\n" for line in Columns().lines(rows))


def one_line(value: object) -> str:
    """A cell's text: up to the first line break, marked when something was cut off."""
    if value is None:
        return "<none>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    for index, character in enumerate(text):
        if character in "\n\r\f":
            return text[:index] + "..."
    return text
