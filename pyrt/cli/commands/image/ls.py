"""``pyrt image ls``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.durations import age
from pyrt.cli.failure import CliError
from pyrt.cli.images import IMAGES, rows_of, short_id
from pyrt.cli.printers.columns import aligned
from pyrt.cli.session import Session
from pyrt.cli.sizes import human

EXAMPLES = """
# List the images
pyrt image ls

# With digests and the pods that use them
pyrt image ls -o wide
"""


@click.command(cls=Command, name="ls", examples=EXAMPLES, arguments="[NAME]")
@click.argument("name", required=False, default="")
@click.option("-o", "--output", default="", metavar="FORMAT", help="One of: (wide, json, yaml, name).")
@click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
@click.option("--no-headers", is_flag=True, help="Don't print headers.")
@click.pass_obj
def command(session: Session, /, name: str, output: str, quiet: bool, no_headers: bool) -> None:
    """List the images on this machine, whole or those whose name contains NAME."""
    listing = session.api.get(IMAGES)
    images = [
        image
        for image in listing.get("items") or ()
        if not name
        or any(name in known for known in (*(image.get("repoTags") or ()), *(image.get("repoDigests") or ())))
    ]
    if output in {"json", "yaml"}:
        from pyrt.cli.printers.document import as_json, as_yaml

        sys.stdout.write((as_json if output == "json" else as_yaml)({**listing, "items": images}))
        return
    if quiet:
        sys.stdout.write("".join(f"{image['id']}\n" for image in images))
        return
    if output == "name":
        sys.stdout.write("".join(f"{known}\n" for image in images for known in image.get("repoTags") or [image["id"]]))
        return
    if output not in {"", "wide"}:
        raise CliError(f'unable to match a printer suitable for the output format "{output}"')
    wide = output == "wide"
    rows = []
    for image in images:
        created = age((image.get("metadata") or {}).get("creationTimestamp"))
        for repository, tag in rows_of(image):
            row = [repository, tag, short_id(image["id"]), human(image.get("size", 0)), created]
            rows.append(
                [*row, image.get("digest", ""), ",".join(image.get("usedBy") or ()) or "<none>"] if wide else row
            )
    header = ["REPOSITORY", "TAG", "IMAGE ID", "SIZE", "AGE", *(["DIGEST", "USED BY"] if wide else [])]
    sys.stdout.write(aligned([*([] if no_headers else [header]), *sorted(rows)]))
