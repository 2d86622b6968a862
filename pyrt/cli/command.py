"""Click commands that read their command line as kubectl's users write it.

Beyond click: ``--flag=true|false`` for switches, ``-o=yaml``, everything after ``--`` kept apart, the global flags
accepted before and after the command's name, help with examples, and groups whose members are imported when they are
called.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from pyrt.cli.flags import rewrite, split_dash
from pyrt.cli.session import Session

AFTER_DASH = "pyrt.after_dash"
"""In ``ctx.meta``: the arguments after ``--``, for commands with ``keep_dash``; None if there was no ``--``."""

GLOBALS = ("namespace", "socket", "config")


def global_options() -> list[click.Parameter]:
    """The flags that every command has."""
    return [
        click.Option(["-n", "--namespace"], metavar="NS", help="The namespace that is meant (default: default)."),
        click.Option(["--socket"], metavar="PATH", help="The daemon's socket; also $PYRT_SOCKET."),
        click.Option(["--config"], metavar="FILE", help="The configuration file; also $PYRT_CONFIG."),
    ]


class Entry(NamedTuple):
    """One command of a group: where its module is (attribute ``command``), and what ``--help`` of the group says."""

    name: str
    summary: str
    section: str
    module: str = ""
    aliases: tuple[str, ...] = ()

    def load(self, package: str) -> click.Command:
        """Import the command."""
        command: click.Command = import_module(f"{package}.{self.module or self.name.replace('-', '_')}").command
        return command


class Command(click.Command):
    """A command in its own file. ``examples`` is shown in ``--help``; ``arguments`` in its usage line."""

    def __init__(
        self,
        name: str | None = None,
        *,
        examples: str = "",
        arguments: str = "",
        keep_dash: bool = False,
        daemonless: bool = False,
        **attributes: Any,
    ) -> None:
        super().__init__(name, **attributes)
        self.examples = examples
        self.arguments = arguments
        self.keep_dash = keep_dash
        self.daemonless = daemonless
        taken = {param.name for param in self.params}
        self.own_params = list(self.params)
        self.params += [option for option in global_options() if option.name not in taken]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read switches with values and the part after ``--`` before click sees them."""
        flags, after = split_dash(args)
        flags, off = rewrite(self, ctx, flags)
        if self.keep_dash:
            ctx.meta[AFTER_DASH] = after
        elif after is not None:
            flags += ["--", *after]
        rest = super().parse_args(ctx, flags)
        for name in off:
            ctx.params[name] = False
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Make the session out of the global flags, then run."""
        given = {name: ctx.params.get(name) for name in GLOBALS}
        own = {param.name for param in self.own_params}
        for name in GLOBALS:
            if name not in own:
                ctx.params.pop(name, None)
        merged = {name: given[name] or _of_groups(ctx, name) for name in GLOBALS}
        ctx.obj = Session(
            namespace=merged["namespace"],
            socket=merged["socket"],
            config=merged["config"],
            autostart=not self.daemonless,
        )
        return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """``[flags] ARGUMENTS``."""
        return [piece for piece in (self.arguments, "[options]") if piece]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Text, examples, options, usage: in the order of kubectl."""
        formatter.write(" " + (self.help or "").strip().replace("\n", "\n ") + "\n")
        if self.examples:
            formatter.write("\nExamples:\n")
            for line in self.examples.strip("\n").split("\n"):
                formatter.write(f"  {line.strip()}".rstrip() + "\n")
        own = [param for param in self.get_params(ctx) if param.name not in GLOBALS or param in self.own_params]
        common = [param for param in self.get_params(ctx) if param not in own]
        for title, params in (("Options", own), ("Global options", common)):
            records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        formatter.write(f"\nUsage:\n  {' '.join([ctx.command_path, *self.collect_usage_pieces(ctx)])}\n")


def _of_groups(ctx: click.Context, name: str) -> str | None:
    """A global flag that was given to one of the groups above a command, the nearest first."""
    above = ctx.parent
    while above is not None:
        if above.params.get(name):
            return str(above.params[name])
        above = above.parent
    return None


class LazyGroup(click.Group):
    """A group that knows its commands by a table of names, and imports only the one that is called."""

    def __init__(
        self,
        name: str,
        *,
        package: str,
        entries: Sequence[Entry],
        help: str,  # noqa: A002 - click calls it so
        params: list[click.Parameter],
    ) -> None:
        super().__init__(name, help=help, params=params, no_args_is_help=True)
        self._package = package
        self.entries = tuple(entries)
        self._by_name = {word: entry for entry in entries for word in (entry.name, *entry.aliases)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the table's order."""
        return [entry.name for entry in self.entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        entry = self._by_name.get(cmd_name)
        return None if entry is None else entry.load(self._package)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without arguments: the help, and success, as kubectl."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ``args`` begins with."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            if args[0].startswith("-"):
                raise click.NoSuchOption(args[0], ctx=ctx)
            near = difflib.get_close_matches(args[0], self._by_name, 3)
            hint = "".join(f"\n\t{word}" for word in near)
            hint = f"\n\nDid you mean this?{hint}\n" if hint else ""
            raise click.ClickException(f'unknown command "{args[0]}" for "{ctx.command_path}"{hint}')
        return args[0], command, args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Names from the table, so that nothing is imported."""
        from click.shell_completion import CompletionItem

        found: list[Any] = [
            CompletionItem(entry.name, help=entry.summary)
            for entry in self.entries
            if entry.name.startswith(incomplete)
        ]
        return found or click.Command.shell_complete(self, ctx, incomplete)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in sections."""
        formatter.write(" " + (self.help or "").strip().replace("\n", "\n ") + "\n")
        width = max(len(entry.name) for entry in self.entries) + 2
        for section in dict.fromkeys(entry.section for entry in self.entries):
            formatter.write(f"\n{section}:\n")
            for entry in self.entries:
                if entry.section == section:
                    formatter.write(f"  {entry.name:<{width}}{entry.summary}\n")
        options = [record for param in self.params if (record := param.get_help_record(ctx)) is not None]
        if options:
            with formatter.section("Global options"):
                formatter.write_dl(options)
        formatter.write(f"\nUsage:\n  {ctx.command_path} [command] [options]\n")
        formatter.write(f'\nUse "{ctx.command_path} <command> --help" for more information about a given command.\n')


class DefaultGroup(LazyGroup):
    """A group of which one command is meant when none is named: ``create -f FILE`` beside ``create secret``."""

    def __init__(self, name: str, *, package: str, default: Entry, entries: Sequence[Entry]) -> None:
        super().__init__(name, package=package, entries=entries, help=default.summary, params=global_options())
        self._default = default
        self._by_name[default.name] = default

    @property
    def default(self) -> Command:
        """The command that is meant when none is named."""
        command = self._default.load(self._package)
        assert isinstance(command, Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Name the default command where the line names none: after the global flags, a flag of its own, or nothing."""
        taking = {flag for option in global_options() for flag in option.opts}
        at = 0
        while at < len(args) and args[at].partition("=")[0] in taking:
            at += 1 if "=" in args[at] else 2
        word = args[at] if at < len(args) else "-"
        if word.startswith("-") and word not in ctx.help_option_names:
            args = [*args[:at], self._default.name, *args[at:]]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The default command's help, and the others."""
        self.default.format_help(ctx, formatter)
        with formatter.section("Other ways"):
            formatter.write_dl([(f"{ctx.command_path} {entry.name}", entry.summary) for entry in self.entries])
