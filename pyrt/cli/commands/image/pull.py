"""``pyrt image pull``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.images import IMAGES
from pyrt.cli.session import Session
from pyrt.client.api import Object, decode
from pyrt.client.errors import ApiError, ProtocolError
from pyrt.errors import PyrtError

EXAMPLES = """
# Pull an image
pyrt image pull nginx

# Pull by digest, and print nothing but the id
pyrt image pull -q registry.example/app@sha256:...

# With a password from a file
pyrt image pull registry.example/app --username me --password-stdin < secret
"""


@click.command(cls=Command, name="pull", examples=EXAMPLES, arguments="IMAGE...")
@click.argument("images", nargs=-1, required=True)
@click.option("-q", "--quiet", is_flag=True, help="Print the ids of the images only.")
@click.option("-u", "--username", default="", metavar="NAME", help="The user at the registry.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@click.option("--progress", type=click.Choice(["auto", "bars", "plain"]), default="auto", help="How to show it.")
@click.pass_obj
def command(
    session: Session, /, images: tuple[str, ...], quiet: bool, username: str, password_stdin: bool, progress: str
) -> None:
    """Pull images from their registries, with a progress bar for each layer on a terminal."""
    body: Object = {}
    if username or password_stdin:
        if not username or not password_stdin:
            raise CliError("--username and --password-stdin go together")
        body["auth"] = {"username": username, "password": sys.stdin.read().rstrip("\r\n")}
    bars = progress == "bars" or (progress == "auto" and sys.stderr.isatty())
    failed = False
    for reference in images:
        try:
            image = _pull(session, {**body, "image": reference}, quiet=quiet, bars=bars)
        except PyrtError as error:
            warn(message(error))
            failed = True
            continue
        sys.stdout.write(f"{image.get('id', '')}\n" if quiet else f"{_name(image, reference)}\n")
        sys.stdout.flush()
    if failed:
        raise CommandExit(1)


def _pull(session: Session, body: Object, *, quiet: bool, bars: bool) -> Object:
    with session.api.open("POST", f"{IMAGES}/pull", body=json.dumps(body).encode()) as response:
        events: Iterator[Object] = (decode(line) for line in response.lines() if line)
        if not quiet:
            from pyrt.cli.progress import Bars, Lines

            events = (Bars() if bars else Lines()).show(events)
        return outcome(events)


def outcome(events: Iterator[Object]) -> Object:
    """The image at the end of the stream. Raises :class:`ApiError` for a failed pull."""
    for event in events:
        if event.get("type") == "error":
            raise ApiError.from_status(event.get("status") or {})
        if event.get("type") == "done":
            image: Object = event.get("image") or {}
            return image
    raise ProtocolError("the server ended the pull without a word")


def _name(image: Object, reference: str) -> str:
    names = [*(image.get("repoTags") or ()), *(image.get("repoDigests") or ())]
    return next((name for name in names if reference in name), names[0] if names else str(image.get("id", reference)))
