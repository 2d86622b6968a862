"""Command lines as Go programs take them: ``--name value``, ``--name=value``, ``-name`` too, and one letter.

A table of flags is one string a flag: ``bundle b =`` is ``--bundle DIR`` or ``-b DIR``; without ``=`` it is a switch,
and ``*`` instead may be given more than once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyrt.oci.errors import UsageError


class Options:
    """The flags that were given."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, value: str) -> None:
        """One more."""
        self._values.setdefault(name, []).append(value)

    def given(self, name: str) -> bool:
        """Whether it was there at all."""
        return name in self._values

    def on(self, name: str) -> bool:
        """A switch."""
        return self._values.get(name, ["false"])[-1] not in ("false", "0", "f", "F", "FALSE", "False")

    def text(self, name: str, default: str = "") -> str:
        """The last value."""
        return self._values[name][-1] if name in self._values else default

    def all(self, name: str) -> list[str]:
        """Every value."""
        return self._values.get(name, [])

    def number(self, name: str, default: int = 0) -> int:
        """An integer. Raises :class:`UsageError`."""
        text = self.text(name, str(default))
        try:
            return int(text)
        except ValueError:
            raise UsageError(f'invalid value "{text}" for flag -{name}') from None


def parse(arguments: Sequence[str], flags: Iterable[str], *, interspersed: bool = True) -> tuple[Options, list[str]]:
    """Flags and what is left. Without ``interspersed`` the first word that is no flag ends them.

    Raises :class:`UsageError` for flags that are not in the table.
    """
    takes: dict[str, tuple[str, bool]] = {}
    for flag in flags:
        name, *rest = flag.split()
        valued = bool({"=", "*"} & set(rest))
        for word in (name, *(word for word in rest if word not in "=*")):
            takes[word] = (name, valued)
    options = Options()
    left: list[str] = []
    at = 0
    while at < len(arguments):
        word = arguments[at]
        at += 1
        if word == "--":
            left += arguments[at:]
            break
        if len(word) < 2 or word[0] != "-":
            left.append(word)
            if not interspersed:
                left += arguments[at:]
                break
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if name in ("h", "help"):
            options.add("help", "true")
            continue
        if name not in takes:
            raise UsageError(f"flag provided but not defined: -{name}")
        canonical, valued = takes[name]
        if valued and not equals:
            if at >= len(arguments):
                raise UsageError(f"flag needs an argument: -{name}")
            value = arguments[at]
            at += 1
        options.add(canonical, value if valued or equals else "true")
    return options, left
