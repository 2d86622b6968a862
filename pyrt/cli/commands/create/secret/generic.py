"""``pyrt create secret generic``."""

from __future__ import annotations

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.create.hashing import hash_option, with_hash
from pyrt.cli.commands.create.making import exact_name, make, making_options
from pyrt.cli.commands.create.secret.manifest import secret_object
from pyrt.cli.commands.create.sources import gather
from pyrt.cli.session import Session
from pyrt.client.resources import SECRET

EXAMPLES = """
# Create a new secret named my-secret with keys for each file in folder bar
pyrt create secret generic my-secret --from-file=path/to/bar

# Create a new secret named my-secret with specified keys instead of names on disk
pyrt create secret generic my-secret --from-file=ssh-privatekey=path/to/id_rsa

# Create a new secret named my-secret with key1=supersecret and key2=topsecret
pyrt create secret generic my-secret --from-literal=key1=supersecret --from-literal=key2=topsecret
"""


@click.command(cls=Command, name="generic", examples=EXAMPLES, arguments="NAME")
@click.argument("words", nargs=-1)
@click.option("--type", "kind", metavar="TYPE", default="", help="The type of secret to create (default: Opaque).")
@click.option("--from-literal", multiple=True, metavar="KEY=VALUE", help="A key and its value. May be repeated.")
@click.option(
    "--from-file", multiple=True, metavar="[KEY=]SOURCE", help="A file, or a directory of files. May be repeated."
)
@click.option("--from-env-file", multiple=True, metavar="FILE", help="A file with lines KEY=VALUE. May be repeated.")
@hash_option
@making_options
@click.pass_obj
def command(
    session: Session,
    /,
    words: tuple[str, ...],
    kind: str,
    from_literal: tuple[str, ...],
    from_file: tuple[str, ...],
    from_env_file: tuple[str, ...],
    append_hash: bool,
    output: str,
    dry_run: str,
) -> None:
    """Create a secret from a local file, directory, or literal value.

    A file's key is its own name, unless the source says otherwise.
    """
    name = exact_name(words)
    data = gather(from_literal, from_file, from_env_file)
    make(session, SECRET, with_hash(secret_object(name, kind, data), append_hash), output, dry_run)
