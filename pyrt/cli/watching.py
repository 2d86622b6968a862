"""``get -w``: a list, and then what changes, until interrupted."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from pyrt.cli.failure import CliError
from pyrt.cli.getting import Options, path_of, printer_for, query_of
from pyrt.cli.printers import objects
from pyrt.cli.session import Session
from pyrt.cli.targets import Target
from pyrt.client.api import JSON, TABLE, Query
from pyrt.client.errors import ApiError
from pyrt.client.resources import Resource

GONE = 410

Object = dict[str, Any]


def watch(session: Session, targets: list[Target], options: Options) -> None:
    """Print the objects and every change to them, until an exception (Ctrl-C, the daemon gone) ends it."""
    if len(targets) != 1:
        raise CliError("you may only specify a single resource type")
    target = targets[0]
    path = path_of(session, Target(target.resource), options)
    query = query_of(options)
    if target.name:
        query["fieldSelector"] = f"metadata.name={target.name}"
        # An object that is not there is an error now, not an endless wait.
        session.api.get(path_of(session, target, options))
    printer = _Printer(target.resource, options)
    shown = not options.watch_only
    while True:
        listing = session.api.get(path, query, accept=printer.accept)
        if shown:
            printer.listing(listing)
        version = (listing.get("metadata") or {}).get("resourceVersion", "")
        try:
            _follow(session, path, query, version, printer)
        except ApiError as error:
            # The server no longer knows what happened since that version: begin again with a fresh list.
            if error.code != GONE:
                raise
        shown = True


def _follow(session: Session, path: str, query: Query, version: str, printer: _Printer) -> NoReturn:
    """Watch, and go on watching where the server ended: it bounds watches in time."""
    while True:
        asked = {**query, "resourceVersion": version, "allowWatchBookmarks": True}
        for kind, item in session.api.watch(path, asked, accept=printer.accept):
            version = _version(item) or version
            if kind != "BOOKMARK":
                printer.event(kind, item)


def _version(item: Object) -> str:
    version = (item.get("metadata") or {}).get("resourceVersion")
    if version:
        return str(version)
    rows = item.get("rows") or [{}]
    return str(((rows[-1].get("object") or {}).get("metadata") or {}).get("resourceVersion") or "")


class _Printer:
    """Prints lists and events in the format that was asked for."""

    def __init__(self, resource: Resource, options: Options) -> None:
        self._resource = resource
        self._options = options
        self._table = printer_for(resource, options, prefixed=False)
        self.accept = TABLE if options.tabular else JSON

    def listing(self, answer: Object) -> None:
        """The first list."""
        if self._options.format == "name":
            self._names(answer)
        elif self._options.tabular:
            if answer.get("rows"):
                before = ("ADDED",) if self._options.watch_events else ()
                self._write(self._table.render([answer], before=before))
        else:
            for item in answer.get("items") or ():
                self.event("ADDED", {"apiVersion": self._resource.api_version, "kind": self._resource.kind, **item})

    def event(self, kind: str, item: Object) -> None:
        """One change."""
        if self._options.format == "name":
            self._names(item)
        elif self._options.tabular:
            before = (kind,) if self._options.watch_events else ()
            self._write(self._table.render([item], before=before))
        else:
            shown = {"type": kind, "object": item} if self._options.watch_events else item
            text = objects.render([shown], single=True, form=self._options.format, argument=self._options.argument)
            self._write(("---\n" if self._options.format == "yaml" else "") + text)

    def _names(self, table: Object) -> None:
        from pyrt.cli.printers.table import row_names

        self._write("".join(f"{self._resource.qualified}/{name}\n" for name in row_names(table)))

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
