"""What the commands that make one object from words share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pyrt.cli.commands.apply import say
from pyrt.cli.failure import CliError
from pyrt.cli.options import output_option
from pyrt.cli.placing import Place
from pyrt.cli.session import Session
from pyrt.client.api import Query
from pyrt.client.errors import ApiError
from pyrt.client.resources import SECRET, Resource


def making_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``-o``, ``--dry-run``."""
    function = output_option("name, json, yaml")(function)
    return click.option(
        "--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing."
    )(function)


def create_query(dry_run: str) -> Query:
    """The parameters of the request. Raises :class:`CliError`."""
    if dry_run not in {"none", "client", "server"}:
        raise CliError(f'Invalid dry-run value ({dry_run}). Must be "none", "server", or "client".')
    return {
        "fieldManager": "kubectl-create",
        "fieldValidation": "Strict",
        "dryRun": "All" if dry_run == "server" else None,
    }


def exact_name(words: tuple[str, ...]) -> str:
    """The one NAME. Raises :class:`CliError`."""
    if len(words) != 1:
        raise CliError(f"exactly one NAME is required, got {len(words)}")
    return words[0]


def make(session: Session, resource: Resource, body: dict[str, Any], output: str, dry_run: str) -> None:
    """Create it and say so."""
    query = create_query(dry_run)
    name = body["metadata"]["name"]
    namespace = session.namespace if resource.namespaced else ""
    if namespace:
        body["metadata"]["namespace"] = namespace
    where = Place(resource, namespace, name)
    if dry_run == "client":
        live = body
    else:
        try:
            live = session.api.call("POST", where.collection, query, body=body)
        except ApiError as error:
            # kubectl: "error: failed to create secret secrets "x" already exists", and of others with a colon
            colon = "" if resource == SECRET else ":"
            raise CliError(f"failed to create {resource.singular}{colon} {error}") from error
    say(where, "created", live, output, dry_run)
