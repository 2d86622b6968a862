"""``pyrt wait``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.durations import parse
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.options import all_namespaces_option, complete_resources, file_options, selector_options
from pyrt.cli.session import Session
from pyrt.cli.waiting import deadline_in, until, until_gone
from pyrt.client.errors import ApiError
from pyrt.client.resources import Resource
from pyrt.errors import PyrtError

EXAMPLES = """
# Wait for the pod "web" to be ready
pyrt wait --for=condition=Ready pod/web

# Wait for the pod to have run to its end
pyrt wait --for=jsonpath='{.status.phase}'=Succeeded pod/job --timeout=5m

# Wait for the pod to be deleted, with a timeout of 60s
pyrt wait --for=delete pod/web --timeout=60s
"""

Object = dict[str, Any]
Predicate = Callable[[Object | None], bool]


@click.command(cls=Command, name="wait", examples=EXAMPLES, arguments="(TYPE/NAME ... | TYPE [NAME | -l L | --all])")
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@click.option(
    "--for",
    "what",
    metavar="WHAT",
    default="",
    help="create, delete, condition=NAME[=VALUE] or jsonpath='{...}'[=VALUE].",
)
@click.option("--timeout", default="30s", metavar="DURATION", help="How long to wait; 0s: look once, negative: a week.")
@click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace.")
@file_options
@selector_options
@all_namespaces_option
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], what: str, timeout: str, **flags: Any) -> None:
    """Wait for a specific condition on one or many resources."""
    deletion = what.lower() == "delete"
    holds = None if deletion else condition(what)
    seconds = parse(timeout)
    deadline = deadline_in(seconds if seconds >= 0 else 7 * 86400)
    failed = False
    objects = _objects(session, words, flags, may_be_absent=what.lower() == "create" or deletion)
    if not objects and not deletion:
        raise CliError("no matching resources found")
    for resource, namespace, name, uid in objects:
        try:
            if holds is None:
                until_gone(session.api, resource, namespace, name, uid, deadline=deadline)
            else:
                until(session.api, resource, namespace, name, holds, deadline=deadline)
            sys.stdout.write(f"{resource.qualified}/{name} condition met\n")
            sys.stdout.flush()
        except PyrtError as error:
            warn(message(error))
            failed = True
    if failed:
        raise CommandExit(1)


def condition(what: str) -> Predicate:
    """The meaning of ``--for``. Raises :class:`CliError`."""
    kind, _, rest = what.partition("=")
    if what.lower() == "create":
        return lambda item: item is not None
    if kind == "condition" and rest:
        name, _, value = rest.partition("=")
        return lambda item: item is not None and _has_condition(item, name, value or "true")
    if kind == "jsonpath" and rest:
        expression, equals, value = _split_jsonpath(rest)
        return lambda item: item is not None and _has_value(item, expression, value if equals else None)
    raise CliError(f'unrecognized condition: "{what}"')


def _has_condition(item: Object, name: str, value: str) -> bool:
    return any(
        entry.get("type", "").lower() == name.lower() and entry.get("status", "").lower() == value.lower()
        for entry in (item.get("status") or {}).get("conditions") or ()
    )


def _split_jsonpath(text: str) -> tuple[str, bool, str]:
    """An expression may contain ``=`` inside its braces."""
    text = text.strip("'\"") if text[:1] in "'\"" else text
    end = text.rfind("}")
    if end < 0:
        expression, equals, value = text.partition("=")
        return expression, bool(equals), value
    rest = text[end + 1 :].lstrip("'\"")
    return text[: end + 1], rest.startswith("="), rest.removeprefix("=")


def _has_value(item: Object, expression: str, value: str | None) -> bool:
    from pyrt.cli.printers.jsonpath import find

    found = find(expression, item)
    if len(found) != 1 or isinstance(found[0], dict | list):
        return False
    text = found[0] if isinstance(found[0], str) else json.dumps(found[0])
    return value is None or text == value.strip("'\"")


def _objects(
    session: Session, words: tuple[str, ...], flags: dict[str, Any], *, may_be_absent: bool
) -> list[tuple[Resource, str, str, str]]:
    """(kind, namespace, name, uid) of what is waited for."""
    if flags["filenames"]:
        from pyrt.cli.manifests import load
        from pyrt.cli.placing import place

        places = [place(session, item) for item in load(flags["filenames"], recursive=flags["recursive"])]
        return [(where.resource, where.namespace, where.name, "") for where in places]
    from pyrt.cli.targets import resolve

    found: list[tuple[Resource, str, str, str]] = []
    for target in resolve(session.api, words):
        if target.name:
            try:
                item = session.api.get(target.resource.path(session.namespace, target.name))
                found.append((target.resource, session.namespace, target.name, item["metadata"].get("uid", "")))
            except ApiError as error:
                if error.code != 404 or not may_be_absent:
                    raise
                found.append((target.resource, session.namespace, target.name, ""))
            continue
        if not (flags["everything"] or flags["selector"] or flags["field_selector"]):
            raise CliError("resource name may not be empty: give a name, a selector or --all")
        namespace = None if flags["all_namespaces"] else session.namespace
        query = {"labelSelector": flags["selector"], "fieldSelector": flags["field_selector"]}
        for item in session.api.get(target.resource.path(namespace), query).get("items") or ():
            metadata = item["metadata"]
            found.append((target.resource, metadata.get("namespace", ""), metadata["name"], metadata.get("uid", "")))
    return found
