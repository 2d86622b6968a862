"""Manual pages, made from the commands themselves: ``scripts/gen-man`` writes them to docs/man."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pyrt import __version__
from pyrt.cli.command import GLOBALS, Command, DefaultGroup, LazyGroup
from pyrt.cli.root import cli


def pages() -> dict[str, str]:
    """File name to text, for every command."""
    return dict(_pages(cli, ("pyrt",)))


def _pages(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield f"{'-'.join(path)}.1", _page(command, path)
    if isinstance(command, LazyGroup):
        ctx = click.Context(command, info_name=path[-1])
        for entry in command.entries:
            member = command.get_command(ctx, entry.name)
            if member is not None:
                yield from _pages(member, (*path, entry.name))


def _page(command: click.Command, path: tuple[str, ...]) -> str:
    ctx = click.Context(command, info_name=" ".join(path))
    title = "-".join(path)
    face = command.default if isinstance(command, DefaultGroup) else command
    text = (face.help or "").strip()
    summary = text.partition("\n\n")[0]
    lines = [
        f'.TH "{_escape(title.upper())}" 1 "" "pyrt {__version__}" "User Commands"',
        ".SH NAME",
        f"{_escape(title)} \\- {_escape(' '.join(summary.split()).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_escape(' '.join(path))}",
        _escape(" ".join(face.collect_usage_pieces(ctx) if isinstance(face, Command) else ["COMMAND", "[options]"])),
        ".SH DESCRIPTION",
        *_paragraphs(text),
    ]
    if isinstance(command, LazyGroup):
        lines += _commands(command, title)
    own, common = _options(face, ctx)
    lines += _section("OPTIONS", own) + _section("GLOBAL OPTIONS", common)
    if isinstance(face, Command) and face.examples.strip():
        lines += [
            ".SH EXAMPLES",
            ".nf",
            *(_escape(line.strip()) for line in face.examples.strip().splitlines()),
            ".fi",
        ]
    lines += _end(path)
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for index, paragraph in enumerate(text.split("\n\n")):
        if index:
            yield ".PP"
        yield _escape(" ".join(paragraph.split()))


def _commands(group: LazyGroup, title: str) -> list[str]:
    lines: list[str] = []
    for section in dict.fromkeys(entry.section for entry in group.entries):
        lines.append(f".SH {_escape(section.upper())}")
        for entry in group.entries:
            if entry.section == section:
                lines += [".TP", f".BR {_escape(f'{title}-{entry.name}')} (1)", _escape(entry.summary)]
    return lines


def _options(command: click.Command, ctx: click.Context) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            (common if param.name in GLOBALS else own).append(record)
    return own, common


def _section(title: str, records: list[tuple[str, str]]) -> list[str]:
    if not records:
        return []
    lines = [f".SH {title}"]
    for flags, text in records:
        lines += [".TP", f".B {_escape(flags)}", _escape(text)]
    return lines


def _end(path: tuple[str, ...]) -> list[str]:
    if len(path) == 1:
        return [
            ".SH EXIT STATUS",
            "0 for success, 1 for a failure; exec, attach and run with \\-\\-restart=Never exit with the code of the",
            "command in the container.",
            ".SH ENVIRONMENT",
            ".TP", ".B PYRT_SOCKET", "The daemon's socket, unless \\-\\-socket or \\-\\-config says otherwise.",
            ".TP", ".B PYRT_CONFIG", "The configuration file, unless \\-\\-config names one.",
            ".SH FILES",
            ".TP", ".I /etc/pyrt/config.toml", "The configuration.",
            ".TP", ".I /run/pyrt/pyrt.sock", "The daemon's socket.",
        ]  # fmt: skip
    return [".SH SEE ALSO", f".BR {_escape('-'.join(path[:-1]))} (1)"]


def _escape(text: str) -> str:
    """Plain text for roff(7): backslashes, hyphens, and lines that look like requests."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped
