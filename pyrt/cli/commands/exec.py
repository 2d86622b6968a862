"""``pyrt exec``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import AFTER_DASH, Command
from pyrt.cli.failure import CliError, warn
from pyrt.cli.options import container_option, pod_argument
from pyrt.cli.remote import finish, open_exec
from pyrt.cli.session import Session
from pyrt.cli.streaming import interact
from pyrt.cli.targets import pod_name
from pyrt.client.resources import POD

EXAMPLES = """
# Get output from running the 'date' command from pod mypod, using the first container by default
pyrt exec mypod -- date

# Get output from running the 'date' command in ruby-container from pod mypod
pyrt exec mypod -c ruby-container -- date

# A shell in mypod: stdin is sent to it, and it runs in a terminal
pyrt exec -it mypod -- sh
"""


@click.command(
    cls=Command, name="exec", examples=EXAMPLES, arguments="POD [-c CONTAINER] -- COMMAND [args...]", keep_dash=True
)
@pod_argument(required=False, default="")
@click.argument("words", nargs=-1)
@click.option("-i", "--stdin", is_flag=True, help="Pass stdin to the container.")
@click.option("-t", "--tty", is_flag=True, help="Stdin is a TTY.")
@click.option("-q", "--quiet", is_flag=True, help="Only print output from the remote session.")
@container_option()
@click.pass_context
def command(
    ctx: click.Context, /, pod: str, words: tuple[str, ...], stdin: bool, tty: bool, quiet: bool, container: str
) -> None:
    """Execute a command in a container. Exits with the code of the command."""
    session: Session = ctx.obj
    after: list[str] | None = ctx.meta.get(AFTER_DASH)
    if not pod:
        raise CliError("pod, type/name or --filename must be specified")
    if words:
        raise CliError(
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
            "See 'pyrt exec -h' for help and examples"
        )
    if not after:
        raise CliError("you must specify at least one command for the container")
    tty = terminal_or_not(stdin, tty, quiet)
    found = session.api.get(POD.path(session.namespace, pod_name(pod)))
    phase = (found.get("status") or {}).get("phase", "")
    if phase in {"Succeeded", "Failed"}:
        raise CliError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    stream = open_exec(session, found, container, after, stdin=stdin, tty=tty, quiet=quiet)
    try:
        status = interact(stream, stdin=stdin, tty=tty)
    finally:
        stream.close()
    finish(status)


def terminal_or_not(stdin: bool, tty: bool, quiet: bool) -> bool:
    """Whether a terminal is to be made: one was asked for, and stdin is one."""
    if tty and not (stdin and sys.stdin.isatty()):
        if stdin and not quiet:
            warn("Unable to use a TTY - input is not a terminal or the right kind of file")
        return not stdin
    return tty
