"""``pyrt image save``."""

from __future__ import annotations

import json
import os
import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError
from pyrt.cli.images import IMAGES
from pyrt.cli.session import Session
from pyrt.cli.sizes import human

EXAMPLES = """
# Save an image as an OCI archive
pyrt image save nginx:latest -o nginx.tar

# Save several images for docker load
pyrt image save nginx:latest busybox:1.28 --format docker-archive -o both.tar

# Save into a pipe
pyrt image save nginx | gzip > nginx.tar.gz
"""
FORMATS = ("oci-archive", "docker-archive", "oci-layout")


@click.command(cls=Command, name="save", examples=EXAMPLES, arguments="IMAGE...")
@click.argument("images", nargs=-1, required=True)
@click.option("-o", "--output", default="", metavar="PATH", help="The file (or directory) to write instead of stdout.")
@click.option("--format", "form", type=click.Choice(FORMATS), default=FORMATS[0], help="What to write.")
@click.pass_obj
def command(session: Session, /, images: tuple[str, ...], output: str, form: str) -> None:
    """Write images into an archive or an OCI layout."""
    body: dict[str, object] = {"images": list(images), "format": form}
    if form == "oci-layout":
        if not output:
            raise CliError("an OCI layout is a directory: say where with --output")
        answer = session.api.call("POST", f"{IMAGES}/save", body={**body, "path": os.path.abspath(output)})
        sys.stderr.write(f"Saved {answer.get('path', output)} ({human(answer.get('size', 0))})\n")
        return
    if not output and sys.stdout.isatty():
        raise CliError("refusing to save to a terminal: redirect stdout, or use --output")
    data = json.dumps(body).encode()
    with session.api.open("POST", f"{IMAGES}/save", body=data, accept="*/*") as response:
        if not output:
            for chunk in response.chunks():
                sys.stdout.buffer.write(chunk)
            return
        # Under another name until it is whole: a broken archive must not look like a good one.
        partial = f"{output}.part"
        try:
            with open(partial, "wb") as stream:
                for chunk in response.chunks():
                    stream.write(chunk)
            os.replace(partial, output)
        except BaseException:
            os.unlink(partial)
            raise
