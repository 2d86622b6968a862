"""``$(NAME)`` in commands, arguments and values of variables (kubelet: third_party/forked/golang/expansion)."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with every ``$(NAME)`` replaced by the variable's value.

    A name that is not defined stays as it is written; ``$$`` is a plain ``$``, so ``$$(NAME)`` gives ``$(NAME)``; a
    ``$`` before anything else is kept. Values are not expanded again.
    """
    return _expand(text, lambda name: variables.get(name, f"$({name})"))


def names_in(text: str) -> set[str]:
    """The names that :func:`expand` would look up."""
    found: set[str] = set()

    def note(name: str) -> str:
        found.add(name)
        return ""

    _expand(text, note)
    return found


def _expand(text: str, value: Callable[[str], str]) -> str:
    if "$" not in text:
        return text
    parts: list[str] = []
    at, end = 0, len(text)
    while True:
        dollar = text.find("$", at)
        if dollar < 0 or dollar + 1 == end:
            parts.append(text[at:])
            return "".join(parts)
        parts.append(text[at:dollar])
        follower = text[dollar + 1]
        if follower == "(":
            close = text.find(")", dollar + 2)
            if close < 0:
                parts.append("$(")
                at = dollar + 2
            else:
                parts.append(value(text[dollar + 2 : close]))
                at = close + 1
        else:
            parts.append("$" if follower == "$" else f"${follower}")
            at = dollar + 2
