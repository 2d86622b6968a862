"""Flags that several commands share, and the completion of names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def selector_options(function: F) -> F:
    """``-l``, ``--field-selector``."""
    function = click.option(
        "--field-selector", metavar="SELECTOR", help="Filter on fields: status.phase=Running,metadata.name!=web."
    )(function)
    return click.option(
        "-l", "--selector", metavar="SELECTOR", help="Filter on labels: =, ==, !=, in, notin. (e.g. -l a=b,c)."
    )(function)


def file_options(function: F) -> F:
    """``-f``, ``-R``."""
    function = click.option(
        "-R", "--recursive", is_flag=True, help="Process the directory used in -f, --filename recursively."
    )(function)
    return click.option(
        "-f",
        "--filename",
        "filenames",
        metavar="FILE",
        multiple=True,
        help="File or directory with YAML or JSON manifests; - for stdin. May be repeated.",
    )(function)


def all_namespaces_option(function: F) -> F:
    """``-A``."""
    return click.option("-A", "--all-namespaces", is_flag=True, help="List the objects of all namespaces.")(function)


def output_option(choices: str, default: str = "") -> Decorator:
    """``-o``."""
    return click.option(
        "-o", "--output", metavar="FORMAT", default=default, help=f"Output format. One of: ({choices})."
    )


def container_option(
    text: str = "Container name. If omitted, the annotation or the first container decides.",
) -> Decorator:
    """``-c``."""
    return click.option("-c", "--container", metavar="CONTAINER", default="", help=text)


def pod_argument(name: str = "pod", **attributes: Any) -> Decorator:
    """A pod's name, completed from the daemon."""
    return click.argument(name, shell_complete=complete_pods, **attributes)


def complete_pods(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of pods in the namespace typed so far."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in _names(ctx) if name.startswith(incomplete)]


def complete_resources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Kinds first, then names: ``get <TAB>``, ``get pods <TAB>``, ``get pod/<TAB>``."""
    from click.shell_completion import CompletionItem

    from pyrt.client.resources import POD, WELL_KNOWN

    words = ctx.params.get(param.name or "") or ()
    kind, slash, _ = incomplete.partition("/")
    if slash:
        names = [f"{kind}/{name}" for name in _names(ctx)] if POD.answers_to(kind) else []
    elif words:
        names = _names(ctx) if POD.answers_to(words[0]) else []
    else:
        names = [resource.name for resource in WELL_KNOWN]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _names(ctx: click.Context) -> list[str]:
    from pyrt.cli.session import Session

    given = {key: ctx.params.get(key) or ctx.find_root().params.get(key) for key in ("namespace", "socket", "config")}
    session = Session(namespace=given["namespace"], socket=given["socket"], config=given["config"])
    return session.pod_names()
