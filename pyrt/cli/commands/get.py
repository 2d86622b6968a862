"""``pyrt get``."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.getting import Options, path_of, printer_for, query_of
from pyrt.cli.options import all_namespaces_option, complete_resources, output_option, selector_options
from pyrt.cli.printers.table import row_names
from pyrt.cli.session import Session
from pyrt.cli.targets import Target, resolve
from pyrt.client.api import JSON, TABLE
from pyrt.client.errors import ApiError

EXAMPLES = """
# List all pods in ps output format
pyrt get pods

# List all pods of all namespaces with more information, such as addresses
pyrt get pods -A -o wide

# Show one pod as YAML
pyrt get -o yaml pod web

# List the pods with the label app=web and go on watching them
pyrt get pods -l app=web -w

# Print the addresses of all pods
pyrt get pods -o jsonpath='{range .items[*]}{.metadata.name}{"\\t"}{.status.podIP}{"\\n"}{end}'
"""
FORMATS = "wide, json, yaml, name, jsonpath, jsonpath-file, custom-columns, custom-columns-file"

Object = dict[str, Any]


@click.command(
    cls=Command, name="get", examples=EXAMPLES, arguments="(TYPE[,TYPE...] [NAME | -l label] | TYPE/NAME ...)"
)
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@output_option(FORMATS)
@selector_options
@all_namespaces_option
@click.option("-w", "--watch", is_flag=True, help="After listing the objects, watch for changes.")
@click.option("--watch-only", is_flag=True, help="Watch for changes without listing first.")
@click.option("--output-watch-events", is_flag=True, help="Print the type of each event with -w.")
@click.option("--show-labels", is_flag=True, help="Show all labels as the last column.")
@click.option("-L", "--label-columns", multiple=True, metavar="LABEL", help="Labels to be shown as columns.")
@click.option("--no-headers", is_flag=True, help="Don't print headers.")
@click.option("--sort-by", metavar="JSONPATH", default="", help="Sort the list by this field: .metadata.name.")
@click.option("--ignore-not-found", is_flag=True, help="An object that does not exist is no error.")
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], output: str, **flags: Any) -> None:
    """Display one or many resources.

    Prints a table of the most important information about the objects, or the objects themselves with -o.
    """
    if not words:
        raise CliError(
            "You must specify the type of resource to get. "
            'Use "pyrt api-resources" for a complete list of supported resources.'
        )
    name, _, argument = output.partition("=")
    if name not in {"", *FORMATS.split(", ")} or (argument and name in {"wide", "json", "yaml", "name"}):
        raise CliError(
            f'unable to match a printer suitable for the output format "{output}", allowed formats are: {FORMATS}'
        )
    options = Options(
        format=name,
        argument=argument,
        selector=flags["selector"],
        field_selector=flags["field_selector"],
        all_namespaces=flags["all_namespaces"],
        show_labels=flags["show_labels"],
        label_columns=tuple(label for value in flags["label_columns"] for label in value.split(",")),
        headers=not flags["no_headers"],
        sort_by=flags["sort_by"],
        watch=flags["watch"] or flags["watch_only"],
        watch_only=flags["watch_only"],
        watch_events=flags["output_watch_events"],
        ignore_not_found=flags["ignore_not_found"],
    )
    targets = resolve(session.api, words)
    named = any(target.name for target in targets)
    if named and options.all_namespaces:
        raise CliError("a resource cannot be retrieved by name across all namespaces")
    if named and (options.selector or options.field_selector):
        raise CliError("name cannot be provided when a selector is specified")
    if options.watch:
        from pyrt.cli.watching import watch

        watch(session, targets, options)
    elif options.tabular:
        _tables(session, targets, options)
    else:
        _objects(session, targets, options)


def _fetch(session: Session, target: Target, options: Options, accept: str) -> Object | None:
    query = {} if target.name else query_of(options)
    try:
        return session.api.get(path_of(session, target, options), query, accept=accept)
    except ApiError as error:
        if error.code == 404 and target.name and options.ignore_not_found:
            return None
        raise


def _tables(session: Session, targets: list[Target], options: Options) -> None:
    several = len({target.resource for target in targets}) > 1
    printed = 0
    failures: list[ApiError] = []
    for resource, group in groupby(targets, key=lambda target: target.resource):
        tables: list[Object] = []
        for target in group:
            try:
                table = _fetch(session, target, options, TABLE)
            except ApiError as error:
                if len(targets) == 1:
                    raise
                failures.append(error)
                continue
            if table is not None and table.get("rows"):
                tables.append(table)
        if not tables:
            continue
        if options.format == "name":
            text = "".join(f"{resource.qualified}/{name}\n" for table in tables for name in row_names(table))
        else:
            text = printer_for(resource, options, prefixed=several).render(tables)
        sys.stdout.write(("\n" if printed and options.format != "name" else "") + text)
        printed += 1
    if not printed and not failures and not options.ignore_not_found and options.format != "name":
        _nothing(session, targets, options)
    _report(failures)


def _nothing(session: Session, targets: list[Target], options: Options) -> None:
    if options.all_namespaces or not any(target.resource.namespaced for target in targets):
        warn("No resources found")
    else:
        warn(f"No resources found in {session.namespace} namespace.")


def _report(failures: list[ApiError]) -> None:
    for error in failures:
        warn(message(error))
    if failures:
        raise CommandExit(1)


def _objects(session: Session, targets: list[Target], options: Options) -> None:
    found: list[Object] = []
    failures: list[ApiError] = []
    for target in targets:
        try:
            answer = _fetch(session, target, options, JSON)
        except ApiError as error:
            if len(targets) == 1:
                raise
            failures.append(error)
            continue
        if answer is None:
            continue
        if "items" in answer:
            kind = {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
            found += [{**kind, **item} for item in answer["items"] or ()]
        else:
            found.append(answer)
    if options.sort_by:
        from pyrt.cli.printers.sorting import sort_by

        found = sort_by(found, options.sort_by)
    if options.format in {"", "wide", "name"}:
        _sorted_tables(session, targets, found, options)
    else:
        from pyrt.cli.printers import objects

        single = len(targets) == 1 and bool(targets[0].name)
        if found or not single:
            sys.stdout.write(objects.render(found, single=single, form=options.format, argument=options.argument))
    _report(failures)


def _sorted_tables(session: Session, targets: list[Target], found: list[Object], options: Options) -> None:
    """``--sort-by``: the server's rows in the order of the objects."""
    for target in {target.resource: target for target in targets}.values():
        order = {item["metadata"]["uid"]: index for index, item in enumerate(found)}
        table = _fetch(session, target, options, TABLE)
        if table is None or not table.get("rows"):
            _nothing(session, targets, options)
            continue
        rows = table["rows"]
        rows.sort(key=lambda row: order.get(row["object"]["metadata"].get("uid"), len(order)))
        if options.format == "name":
            sys.stdout.write("".join(f"{target.resource.qualified}/{name}\n" for name in row_names(table)))
        else:
            sys.stdout.write(printer_for(target.resource, options, prefixed=False).render([table]))
