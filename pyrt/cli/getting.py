"""What ``get`` was asked for, in terms of the server and of the printers; for lists and for watches alike."""

from __future__ import annotations

from typing import NamedTuple

from pyrt.cli.printers.table import TablePrinter
from pyrt.cli.session import Session
from pyrt.cli.targets import Target
from pyrt.client.resources import Resource


class Options(NamedTuple):
    """The flags."""

    format: str
    argument: str
    """What follows ``=`` in ``-o jsonpath=...``."""
    selector: str | None
    field_selector: str | None
    all_namespaces: bool
    show_labels: bool
    label_columns: tuple[str, ...]
    headers: bool
    sort_by: str
    watch: bool
    watch_only: bool
    watch_events: bool
    ignore_not_found: bool

    @property
    def tabular(self) -> bool:
        """Whether the server's columns are wanted."""
        return self.format in {"", "wide", "name"} and not self.sort_by


def path_of(session: Session, target: Target, options: Options) -> str:
    """Where the target's objects are."""
    return target.resource.path(None if options.all_namespaces else session.namespace, target.name)


def query_of(options: Options) -> dict[str, str | int | bool | list[str] | None]:
    """What the server is to filter on; only for lists."""
    return {"labelSelector": options.selector, "fieldSelector": options.field_selector, "limit": None}


def printer_for(resource: Resource, options: Options, *, prefixed: bool) -> TablePrinter:
    """The printer of one kind's tables."""
    return TablePrinter(
        wide=options.format == "wide",
        with_namespace=options.all_namespaces and resource.namespaced,
        show_labels=options.show_labels,
        label_columns=options.label_columns,
        headers=options.headers,
        prefix=resource.qualified if prefixed else "",
    )
