"""``pyrt image import``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import IO

import click

from pyrt.cli.command import Command
from pyrt.cli.images import IMAGES
from pyrt.cli.session import Session
from pyrt.client.api import Object, decode

EXAMPLES = """
# Import an archive that docker save, podman save or skopeo made
pyrt image import app.tar

# Import an OCI layout directory, and give its image a name
pyrt image import ./layout --tag registry.example/app:v1

# Import from a pipe
docker save app:v1 | pyrt image import -
"""


@click.command(cls=Command, name="import", examples=EXAMPLES, arguments="PATH")
@click.argument("path")
@click.option("-t", "--tag", default="", metavar="REF", help="The name of the image, if the archive gives none.")
@click.pass_obj
def command(session: Session, /, path: str, tag: str) -> None:
    """Add the images of an OCI layout (directory or archive) or of a docker archive; - for stdin."""
    if path == "-":
        answer = _upload(session, sys.stdin.buffer, tag)
    else:
        os.stat(path)  # the daemon's complaint would name an absolute path that nobody typed
        answer = session.api.call("POST", f"{IMAGES}/import", {"path": os.path.abspath(path), "tag": tag})
    for image in answer.get("items") or ():
        for name in image.get("repoTags") or [image["id"]]:
            sys.stdout.write(f"Imported {name}\n")


def _upload(session: Session, stream: IO[bytes], tag: str) -> Object:
    def chunks() -> Iterator[bytes]:
        while data := stream.read(1 << 18):
            yield data

    session.api.get("/version")  # a body from a pipe can be sent once: find or start the daemon before
    query = {"tag": tag}
    kind = "application/x-tar"
    with session.api.open("POST", f"{IMAGES}/import", query, body=chunks(), content_type=kind) as response:
        return decode(response.read())
