"""``pyrt attach``."""

from __future__ import annotations

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.exec import terminal_or_not
from pyrt.cli.containers import choose, spec_of
from pyrt.cli.failure import CliError, warn
from pyrt.cli.options import container_option, pod_argument
from pyrt.cli.remote import finish, open_attach
from pyrt.cli.session import Session
from pyrt.cli.streaming import interact
from pyrt.cli.targets import pod_name
from pyrt.client.resources import POD

EXAMPLES = """
# Get output from running pod mypod
pyrt attach mypod

# Send stdin to the shell that is the main process of container shell of mypod, and use a terminal
pyrt attach mypod -c shell -i -t
"""


@click.command(cls=Command, name="attach", examples=EXAMPLES, arguments="POD -c CONTAINER")
@pod_argument()
@click.option("-i", "--stdin", is_flag=True, help="Pass stdin to the container.")
@click.option("-t", "--tty", is_flag=True, help="Stdin is a TTY.")
@click.option("-q", "--quiet", is_flag=True, help="Only print output from the remote session.")
@container_option()
@click.pass_obj
def command(session: Session, /, pod: str, stdin: bool, tty: bool, quiet: bool, container: str) -> None:
    """Attach to a process that is already running inside an existing container."""
    found = session.api.get(POD.path(session.namespace, pod_name(pod)))
    phase = (found.get("status") or {}).get("phase", "")
    if phase in {"Succeeded", "Failed"}:
        raise CliError(f"cannot attach a container in a completed pod; current phase is {phase}")
    name = choose(found, container, quiet=quiet)
    spec = spec_of(found, name)
    if tty and not spec.get("tty"):
        tty = False
        if not quiet:
            warn(f"error: Unable to use a TTY - container {name} did not allocate one")
    elif spec.get("tty") and not tty and stdin:
        tty = True  # the container's terminal echoes and edits: ours has to be raw
    tty = terminal_or_not(stdin, tty, quiet)
    if stdin and tty and not quiet:
        warn("If you don't see a command prompt, try pressing enter.")
    stream = open_attach(session, found, name, stdin=stdin, tty=tty, quiet=True)
    try:
        status = interact(stream, stdin=stdin, tty=tty)
    finally:
        stream.close()
    finish(status)
