"""``pyrt create configmap``."""

from __future__ import annotations

from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.create.hashing import hash_option, with_hash
from pyrt.cli.commands.create.making import exact_name, make, making_options
from pyrt.cli.commands.create.sources import Data, gather
from pyrt.cli.session import Session
from pyrt.client.resources import CONFIG_MAP

EXAMPLES = """
# Create a new config map named my-config based on folder bar
pyrt create configmap my-config --from-file=path/to/bar

# Create a new config map named my-config with specified keys instead of file basenames on disk
pyrt create configmap my-config --from-file=key1=/path/to/bar/file1.txt --from-file=key2=/path/to/bar/file2.txt

# Create a new config map named my-config with key1=config1 and key2=config2
pyrt create configmap my-config --from-literal=key1=config1 --from-literal=key2=config2

# Create a new config map named my-config with key=value pairs from an env file
pyrt create configmap my-config --from-env-file=path/to/bar.env
"""


@click.command(cls=Command, name="configmap", examples=EXAMPLES, arguments="NAME")
@click.argument("words", nargs=-1)
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
    from_literal: tuple[str, ...],
    from_file: tuple[str, ...],
    from_env_file: tuple[str, ...],
    append_hash: bool,
    output: str,
    dry_run: str,
) -> None:
    """Create a config map from a local file, directory or literal value.

    A file's key is its own name, unless the source says otherwise. What is not UTF-8 becomes binaryData.
    """
    name = exact_name(words)
    data = gather(from_literal, from_file, from_env_file, config_map=name)
    make(session, CONFIG_MAP, with_hash(manifest(name, data), append_hash), output, dry_run)


def manifest(name: str, data: Data) -> dict[str, Any]:
    """The object."""
    from base64 import b64encode

    found: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    for key, value in sorted(data.items()):
        try:
            found.setdefault("data", {})[key] = value.decode()
        except UnicodeDecodeError:
            found.setdefault("binaryData", {})[key] = b64encode(value).decode()
    return found
