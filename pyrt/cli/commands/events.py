"""``pyrt events``."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.durations import age, timestamp
from pyrt.cli.failure import CliError, warn
from pyrt.cli.options import all_namespaces_option, output_option
from pyrt.cli.printers.columns import Columns, one_line
from pyrt.cli.session import Session
from pyrt.client.api import Query
from pyrt.client.errors import ApiError
from pyrt.client.resources import EVENT

EXAMPLES = """
# List recent events in the default namespace
pyrt events

# List the events of pod web, then wait for more
pyrt events --for pod/web --watch

# List recent warnings in all namespaces
pyrt events -A --types=Warning
"""
HEADER = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
GONE = 410

Object = dict[str, Any]


@click.command(cls=Command, name="events", examples=EXAMPLES)
@click.option("--for", "about", default="", metavar="TYPE/NAME", help="Only the events of this object.")
@click.option("--types", default="", metavar="TYPES", help="Only events of these types: Normal,Warning.")
@click.option("-w", "--watch", is_flag=True, help="After listing the requested events, watch for more.")
@click.option("--no-headers", is_flag=True, help="Don't print headers.")
@output_option("json, yaml")
@all_namespaces_option
@click.pass_obj
def command(
    session: Session,
    /,
    about: str,
    types: str,
    watch: bool,
    no_headers: bool,
    output: str,
    all_namespaces: bool,
) -> None:
    """Display events, the oldest first."""
    wanted = {name.lower() for name in types.split(",") if name}
    if wanted - {"normal", "warning"}:
        raise CliError("valid --types are Normal or Warning")
    path = EVENT.path(None if all_namespaces else session.namespace)
    query: Query = {"fieldSelector": selector(session, about) if about else None}
    listing = session.api.get(path, query)
    found = [event for event in listing.get("items") or () if _shown(event, wanted)]
    found.sort(key=last_seen)
    if output:
        from pyrt.cli.printers.objects import render

        sys.stdout.write(render(found, single=False, form=output))
        return
    if not found and not watch:
        warn("No events found." if all_namespaces else f"No events found in {session.namespace} namespace.")
        return
    columns = Columns()
    rows = [] if no_headers else [[*(["NAMESPACE"] if all_namespaces else []), *HEADER]]
    _write(columns, rows + [row(event, all_namespaces) for event in found])
    version = (listing.get("metadata") or {}).get("resourceVersion", "")
    while watch:
        try:
            for kind, event in session.api.watch(path, {**query, "resourceVersion": version}):
                version = event["metadata"].get("resourceVersion") or version
                if kind in {"ADDED", "MODIFIED"} and _shown(event, wanted):
                    _write(columns, [row(event, all_namespaces)])
        except ApiError as error:
            if error.code != GONE:
                raise
            version = (session.api.get(path, query).get("metadata") or {}).get("resourceVersion", "")


def selector(session: Session, about: str) -> str:
    """The field selector of an object's events."""
    from pyrt.cli.targets import lookup

    word, slash, name = about.partition("/")
    if not slash or not name:
        raise CliError("--for must be in resource/name form")
    return f"involvedObject.kind={lookup(session.api, word).kind},involvedObject.name={name}"


def last_seen(event: Object) -> float:
    """When it happened last, Unix time."""
    series = event.get("series") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    text = next((moment for moment in moments if moment), event["metadata"].get("creationTimestamp"))
    return timestamp(text or "") or 0.0


def when(event: Object) -> str:
    """``5m`` or, for what happened more than once, ``5m (x3 over 10m)``."""
    last = age_of(last_seen(event))
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    if count < 2:
        return last
    first = event.get("firstTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return f"{last} (x{count} over {age(first)})"


def age_of(moment: float) -> str:
    """How long ago a Unix time was."""
    from pyrt.cli.durations import human

    return human(time.time() - moment) if moment else "<unknown>"


def row(event: Object, with_namespace: bool) -> list[str]:
    """One line of the table."""
    about = event.get("involvedObject") or {}
    label = f"{about.get('kind', '')}/{about.get('name', '')}"
    cells = [when(event), event.get("type", ""), event.get("reason", ""), label, (event.get("message") or "").strip()]
    namespace = [event["metadata"].get("namespace", "")] if with_namespace else []
    return [one_line(cell) for cell in (*namespace, *cells)]


def _shown(event: Object, wanted: set[str]) -> bool:
    return not wanted or event.get("type", "").lower() in wanted


def _write(columns: Columns, rows: list[list[str]]) -> None:
    sys.stdout.write("".join(line + "\n" for line in columns.lines(rows)))
    sys.stdout.flush()
