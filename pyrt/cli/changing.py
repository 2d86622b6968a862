"""What the commands share that change objects which exist: which ones, how they are sent, and what is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.session import Session
from pyrt.client.resources import Resource
from pyrt.errors import PyrtError

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """One object that is to be changed."""

    resource: Resource
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Where the API has it."""
        return self.resource.path(self.namespace or None, self.name)

    @property
    def label(self) -> str:
        """``pod/web``."""
        return f"{self.resource.qualified}/{self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """How a command changes objects."""

    word: str
    """``patched``: what is said of an object afterwards."""
    dry_run: str = "none"
    output: str = ""
    field_manager: str = ""
    unchanged: str = ""
    """What is said when the server has changed nothing; empty: the same as of a change."""

    def __post_init__(self) -> None:
        if self.dry_run not in {"none", "client", "server"}:
            raise CliError(f'Invalid dry-run value ({self.dry_run}). Must be "none", "server", or "client".')

    @property
    def local(self) -> bool:
        """Whether nothing is to be sent."""
        return self.dry_run == "client"

    @property
    def query(self) -> dict[str, str | int | bool | list[str] | None]:
        """The parameters of the request."""
        return {
            "fieldManager": self.field_manager,
            "fieldValidation": "Strict",
            "dryRun": "All" if self.dry_run == "server" else None,
        }


def chosen(
    session: Session,
    words: tuple[str, ...],
    filenames: tuple[str, ...] = (),
    recursive: bool = False,
    *,
    selector: str | None = None,
    everything: bool = False,
    all_namespaces: bool = False,
) -> list[Chosen]:
    """The objects that a command line names. Raises :class:`CliError`."""
    if filenames:
        from pyrt.cli.manifests import load
        from pyrt.cli.placing import place

        if words:
            raise CliError(
                "when paths, URLs, or stdin is provided as resource input, you may not specify resource "
                "arguments as well"
            )
        places = [place(session, manifest) for manifest in load(filenames, recursive=recursive)]
        return [Chosen(where.resource, where.namespace, where.name) for where in places]
    if not words:
        raise CliError(
            "You must provide one or more resources by argument or filename.\n"
            "Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n"
            "   '<resource> <name>'\n   '<resource>'"
        )
    from pyrt.cli.targets import resolve

    found: list[Chosen] = []
    for target in resolve(session.api, words):
        namespace = session.namespace if target.resource.namespaced else ""
        if target.name:
            if selector or everything:
                raise CliError("name cannot be provided when a selector is specified")
            found.append(Chosen(target.resource, namespace, target.name))
            continue
        if not (selector or everything):
            raise CliError("resource(s) were provided, but no name was specified")
        path = target.resource.path(None if all_namespaces or not namespace else namespace)
        for item in session.api.get(path, {"labelSelector": selector}).get("items") or ():
            metadata = item["metadata"]
            found.append(Chosen(target.resource, metadata.get("namespace", ""), metadata["name"]))
    return found


def send(
    session: Session, one: Chosen, change: Change, patch: Object | list[Any], media: str, subresource: str = ""
) -> Object:
    """Patch an object; what the server has now. Raises ApiError."""
    path = f"{one.path}/{subresource}" if subresource else one.path
    return session.api.call("PATCH", path, change.query, body=patch, content_type=media)


def finish(session: Session, objects: list[Chosen], change: Change, changed: Callable[[Chosen], Object | None]) -> None:
    """Change every object and say so; ``None`` says that there was nothing to do.

    One that fails does not keep the others. Raises :class:`CommandExit` if any has failed.
    """
    failed = False
    done: list[Object] = []
    for one in objects:
        try:
            before = session.api.get(one.path) if change.unchanged or change.output else None
            after = changed(one)
        except PyrtError as error:
            if len(objects) == 1:
                raise
            warn(message(error))
            failed = True
            continue
        same = after is None or (
            before is not None and change.dry_run == "none" and _version(before) == _version(after)
        )
        if change.output in {"json", "yaml"}:
            done.append(after or before or {})
        else:
            say(one, change, same=same)
    if done:
        from pyrt.cli.printers.objects import render

        sys.stdout.write(render(done, single=len(done) == 1, form=change.output))
    if failed:
        raise CommandExit(1)


def say(one: Chosen, change: Change, *, same: bool = False) -> None:
    """``pod/web patched``."""
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(change.dry_run, "")
    word = change.unchanged if same and change.unchanged else change.word
    sys.stdout.write(f"{one.label}\n" if change.output == "name" else f"{one.label} {word}{suffix}\n")
    sys.stdout.flush()


def _version(item: Object | None) -> str | None:
    return None if item is None else str((item.get("metadata") or {}).get("resourceVersion", ""))
