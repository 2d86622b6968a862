"""Command lines as pflag, the library under kubectl, understands them, turned into what click understands."""

from __future__ import annotations

from collections.abc import Mapping

import click

TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's strconv.ParseBool takes."""


def split_dash(args: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands before and after the first ``--``."""
    if "--" not in args:
        return list(args), None
    at = args.index("--")
    return args[:at], args[at + 1 :]


def rewrite(command: click.Command, ctx: click.Context, args: list[str]) -> tuple[list[str], set[str]]:
    """Take pflag's notations out of ``args``: ``-o=yaml``, ``--switch=true``, ``--switch=false``.

    Gives the arguments that click understands, and the names of the switches that were turned off. Raises
    :class:`click.UsageError` for a switch with a value that is neither true nor false.
    """
    options = {
        flag: param for param in command.get_params(ctx) if isinstance(param, click.Option) for flag in param.opts
    }
    result: list[str] = []
    off: set[str] = set()
    words = iter(args)
    for word in words:
        if word.startswith("--"):
            rewritten, wants_value = _long(word, options, ctx, off)
        elif word.startswith("-") and len(word) > 1:
            rewritten, wants_value = _short(word, options, ctx, off)
        else:
            rewritten, wants_value = [word], False
        result += rewritten
        if wants_value and (value := next(words, None)) is not None:
            result.append(value)
    return result, off


def _long(word: str, options: Mapping[str, click.Option], ctx: click.Context, off: set[str]) -> tuple[list[str], bool]:
    """``--name`` or ``--name=value``, and whether the next word is its value."""
    flag, equals, value = word.partition("=")
    option = options.get(flag)
    if option is None:
        return [word], False
    if takes_value(option):
        return [word], not equals
    return _switch(option, flag, value if equals else None, [flag], [], ctx, off), False


def _short(word: str, options: Mapping[str, click.Option], ctx: click.Context, off: set[str]) -> tuple[list[str], bool]:
    """``-abc``, ``-ovalue`` or ``-o=value``, and whether the next word is its value."""
    for end in range(2, len(word) + 1):
        flag, rest = "-" + word[end - 1], word[end:]
        option = options.get(flag)
        if option is None:
            return [word], False
        if takes_value(option):
            return [word[:end] + rest.removeprefix("=")], not rest
        if rest.startswith("="):
            others = [word[: end - 1]] if end > 2 else []
            return _switch(option, flag, rest[1:], [word[:end]], others, ctx, off), False
    off -= {options["-" + letter].name or "" for letter in word[1:]}
    return [word], False


def _switch(
    option: click.Option,
    flag: str,
    value: str | None,
    when_on: list[str],
    when_off: list[str],
    ctx: click.Context,
    off: set[str],
) -> list[str]:
    """A switch with or without a value; the last one of several counts."""
    name = option.name or ""
    if value is None or value in TRUE:
        off.discard(name)
        return when_on
    if value in FALSE:
        off.add(name)
        return when_off
    raise click.UsageError(
        f'invalid argument "{value}" for "{flag}" flag: strconv.ParseBool: parsing "{value}": invalid syntax', ctx=ctx
    )


def takes_value(option: click.Option) -> bool:
    """Whether something follows this flag."""
    return not option.is_flag and not option.count
