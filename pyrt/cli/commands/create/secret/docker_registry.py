"""``pyrt create secret docker-registry``."""

from __future__ import annotations

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.create.hashing import hash_option, with_hash
from pyrt.cli.commands.create.making import exact_name, make, making_options
from pyrt.cli.commands.create.secret.manifest import secret_object
from pyrt.cli.commands.create.sources import gather
from pyrt.cli.failure import CliError
from pyrt.cli.session import Session
from pyrt.client.resources import SECRET

EXAMPLES = """
# Create a new secret for use with a registry; name it in imagePullSecrets of a pod
pyrt create secret docker-registry my-secret --docker-server=REGISTRY --docker-username=USER --docker-password=PASSWORD

# Create it from ~/.docker/config.json
pyrt create secret docker-registry my-secret --from-file=.dockerconfigjson=path/to/.docker/config.json
"""
TYPE = "kubernetes.io/dockerconfigjson"
KEY = ".dockerconfigjson"
DOCKER_HUB = "https://index.docker.io/v1/"


@click.command(cls=Command, name="docker-registry", examples=EXAMPLES, arguments="NAME")
@click.argument("words", nargs=-1)
@click.option("--docker-server", metavar="SERVER", default=DOCKER_HUB, show_default=True, help="The registry.")
@click.option("--docker-username", metavar="USER", default="", help="Username for the registry.")
@click.option("--docker-password", metavar="PASSWORD", default="", help="Password for the registry.")
@click.option("--docker-email", metavar="EMAIL", default="", help="Email for the registry.")
@click.option(
    "--from-file", multiple=True, metavar="[KEY=]FILE", help=f"A Docker configuration; its key has to be {KEY}."
)
@hash_option
@making_options
@click.pass_obj
def command(
    session: Session,
    /,
    words: tuple[str, ...],
    docker_server: str,
    docker_username: str,
    docker_password: str,
    docker_email: str,
    from_file: tuple[str, ...],
    append_hash: bool,
    output: str,
    dry_run: str,
) -> None:
    """Create a secret for use with a Docker registry.

    Pods that name it in imagePullSecrets pull their images with it.
    """
    name = exact_name(words)
    if from_file:
        data = gather((), from_file, ())
    elif docker_username and docker_password and docker_server:
        data = {KEY: config_json(docker_server, docker_username, docker_password, docker_email)}
    else:
        raise CliError(
            "either --from-file or the combination of --docker-username, --docker-password and --docker-server is "
            "required"
        )
    make(session, SECRET, with_hash(secret_object(name, TYPE, data), append_hash), output, dry_run)


def config_json(server: str, username: str, password: str, email: str) -> bytes:
    """A docker ``config.json`` for one registry."""
    import json
    from base64 import b64encode

    entry = {"username": username, "password": password}
    if email:
        entry["email"] = email
    entry["auth"] = b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {server: entry}}, separators=(",", ":")).encode()
