"""``pyrt describe``."""

from __future__ import annotations

import sys
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.options import all_namespaces_option, complete_resources, file_options, selector_options
from pyrt.cli.session import Session
from pyrt.cli.targets import resolve
from pyrt.client.errors import ApiError
from pyrt.client.resources import (
    CONFIG_MAP,
    EVENT,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    STORAGE_CLASS,
    Resource,
)

EXAMPLES = """
# Describe a pod
pyrt describe pods/nginx

# Describe the pods with label name=myLabel
pyrt describe pods -l name=myLabel

# Describe this machine
pyrt describe nodes
"""

Object = dict[str, Any]


@click.command(
    cls=Command, name="describe", examples=EXAMPLES, arguments="(-f FILENAME | TYPE [NAME | -l label] | TYPE/NAME)"
)
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@file_options
@selector_options
@all_namespaces_option
@click.option("--show-events", is_flag=True, default=True, help="Show the events of the object (the default).")
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], show_events: bool, **flags: Any) -> None:
    """Show details of a resource or group of resources, with the events that concern it."""
    failures: list[ApiError] = []
    texts: list[str] = []
    for resource, item in _objects(session, words, flags, failures):
        texts.append(_text(session, resource, item, show_events))
    sys.stdout.write("\n\n".join(texts))
    if not texts and not failures:
        where = "" if flags["all_namespaces"] else f" in {session.namespace} namespace."
        warn(f"No resources found{where}")
    for error in failures:
        warn(message(error))
    if failures:
        raise CommandExit(1)


def _objects(
    session: Session, words: tuple[str, ...], flags: dict[str, Any], failures: list[ApiError]
) -> list[tuple[Resource, Object]]:
    if flags["filenames"]:
        from pyrt.cli.manifests import load
        from pyrt.cli.placing import place

        places = [place(session, item) for item in load(flags["filenames"], recursive=flags["recursive"])]
        return [(where.resource, session.api.get(where.path)) for where in places]
    if not words:
        raise CliError(
            "You must specify the type of resource to describe. "
            'Use "pyrt api-resources" for a complete list of supported resources.'
        )
    found: list[tuple[Resource, Object]] = []
    query = {"labelSelector": flags["selector"], "fieldSelector": flags["field_selector"]}
    for target in resolve(session.api, words):
        if target.name:
            try:
                found.append((target.resource, session.api.get(target.resource.path(session.namespace, target.name))))
            except ApiError as error:
                similar = [] if error.code != 404 else _beginning_with(session, target.resource, target.name)
                found += similar
                if not similar:
                    failures.append(error)
        else:
            namespace = None if flags["all_namespaces"] else session.namespace
            items = session.api.get(target.resource.path(namespace), query).get("items") or ()
            found += [(target.resource, item) for item in items]
    return found


def _beginning_with(session: Session, resource: Resource, prefix: str) -> list[tuple[Resource, Object]]:
    """``describe pod web`` finds web-1 and web-2, as kubectl does."""
    items = session.api.get(resource.path(session.namespace)).get("items") or ()
    return [(resource, item) for item in items if item["metadata"]["name"].startswith(prefix)]


def _text(session: Session, resource: Resource, item: Object, show_events: bool) -> str:
    metadata = item["metadata"]
    if resource == SECRET:
        from pyrt.cli.describe.secret import describe_secret

        return describe_secret(item)
    if resource == NODE:
        return _node_text(session, item, show_events)
    events: list[Object] | None = None
    if show_events:
        query = {
            "fieldSelector": f"involvedObject.name={metadata['name']},involvedObject.uid={metadata.get('uid', '')}"
        }
        events = session.api.get(EVENT.path(metadata.get("namespace") or None), query).get("items") or []
    if resource == POD:
        from pyrt.cli.describe.pod import describe_pod

        return describe_pod(item, events)
    if resource == CONFIG_MAP:
        from pyrt.cli.describe.config_map import describe_config_map

        return describe_config_map(item, events)
    if resource in (PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS):
        return _storage_text(session, resource, item, events)
    from pyrt.cli.describe.generic import describe_generic

    return describe_generic(item, resource, events)


def _storage_text(session: Session, resource: Resource, item: Object, events: list[Object] | None) -> str:
    from pyrt.cli.describe.storage import describe_claim, describe_class, describe_volume, users_of

    if resource == PERSISTENT_VOLUME:
        return describe_volume(item, events)
    if resource == STORAGE_CLASS:
        return describe_class(item, events)
    pods = session.api.get(POD.path(item["metadata"].get("namespace") or session.namespace)).get("items") or []
    return describe_claim(item, users_of(item, pods), events)


def _node_text(session: Session, item: Object, show_events: bool) -> str:
    from pyrt.cli.describe.node import describe_node

    events: list[Object] | None = None
    if show_events:
        # As the kubelet does, events name the node by its name, not by its uid.
        query = {"fieldSelector": f"involvedObject.kind=Node,involvedObject.name={item['metadata']['name']}"}
        events = session.api.get(EVENT.path(None), query).get("items") or []
    return describe_node(item, session.api.get(POD.path(None)).get("items") or [], events)
