"""``pyrt completion``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError

EXAMPLES = """
# bash: for this session, and for all sessions
source <(pyrt completion bash)
pyrt completion bash > /etc/bash_completion.d/pyrt

# zsh
pyrt completion zsh > "${fpath[1]}/_pyrt"

# fish
pyrt completion fish > ~/.config/fish/completions/pyrt.fish
"""
VARIABLE = "_PYRT_COMPLETE"
"""Set by the scripts when they call pyrt for suggestions; click derives it from the program's name."""


@click.command(cls=Command, name="completion", examples=EXAMPLES, arguments="SHELL", daemonless=True)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), required=False)
def command(shell: str | None) -> None:
    """Output shell completion code for the specified shell (bash, zsh or fish).

    Commands, flags and the names of pods are completed.
    """
    if shell is None:
        raise CliError("Shell not specified.\nSee 'pyrt completion -h' for help and examples")
    sys.stdout.write(script(shell))


def script(shell: str) -> str:
    """The code to be sourced. Made from click's templates, without asking which bash this is."""
    from click.shell_completion import get_completion_class

    from pyrt.cli.root import cli

    found = get_completion_class(shell)
    if found is None:
        raise CliError(f'Unsupported shell type "{shell}".')
    completion = found(cli, {}, "pyrt", VARIABLE)
    return completion.source_template % completion.source_vars() + "\n"
