"""``label`` and ``annotate``: the same command about two maps."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from pyrt.cli.changing import Change, Chosen, chosen, finish, send
from pyrt.cli.failure import CliError
from pyrt.cli.session import Session
from pyrt.client.api import MERGE_PATCH

Object = dict[str, Any]


class Kind(NamedTuple):
    """Which map, and how it is spoken of."""

    field: str
    one: str
    done: str
    undone: str
    not_done: str


LABEL = Kind("labels", "label", "labeled", "unlabeled", "not labeled")
ANNOTATION = Kind("annotations", "annotation", "annotated", "annotated", "annotated")


class Marks(NamedTuple):
    """What is to be set and what taken away."""

    set: dict[str, str]
    remove: tuple[str, ...]


def split(words: tuple[str, ...], kind: Kind) -> tuple[tuple[str, ...], Marks]:
    """Objects stand before the first ``KEY=VALUE`` or ``KEY-``. Raises :class:`CliError`."""
    at = next((i for i, word in enumerate(words) if "=" in word or (word.endswith("-") and i > 0)), len(words))
    objects, rest = words[:at], words[at:]
    marks = Marks(
        {key: value for key, equals, value in (word.partition("=") for word in rest) if equals},
        tuple(word.removesuffix("-") for word in rest if "=" not in word),
    )
    for word in rest:
        if "=" not in word and not word.endswith("-"):
            raise CliError(f"unexpected object after {kind.one} changes: {word}")
        if not word.partition("=")[0].removesuffix("-"):
            raise CliError(f'invalid {kind.one} spec: "{word}"')
    for key in marks.remove:
        if key in marks.set:
            raise CliError(
                f"can not both modify and remove {'a label' if kind is LABEL else 'an annotation'} in the same command"
            )
    return objects, marks


def mark(session: Session, kind: Kind, words: tuple[str, ...], flags: dict[str, Any]) -> None:
    """Run the command."""
    objects, marks = split(words, kind)
    if not (marks.set or marks.remove or flags["list_"]):
        raise CliError(f"at least one {kind.one} update is required")
    found = chosen(
        session,
        objects,
        flags["filenames"],
        flags["recursive"],
        selector=flags["selector"],
        everything=flags["everything"],
        all_namespaces=flags["all_namespaces"],
    )
    if flags["list_"]:
        for one in found:
            present = _present(session, one, kind)
            head = f"Listing {kind.field} for {one.resource.qualified}/{one.name}:\n" if len(found) > 1 else ""
            sys.stdout.write(head + "".join(f"{' ' * bool(head)}{key}={value}\n" for key, value in present.items()))
        return
    word = kind.undone if marks.remove and not marks.set else kind.done
    change = Change(word, flags["dry_run"], flags["output"], f"kubectl-{kind.one}", unchanged=kind.not_done)

    def changed(one: Chosen) -> Object | None:
        present = _present(session, one, kind)
        clash = [key for key, value in marks.set.items() if present.get(key, value) != value]
        if clash and not flags["overwrite"]:
            texts = [f"'{key}' already has a value ({present[key]}), and --overwrite is false" for key in clash]
            raise CliError("; ".join(texts))
        for key in marks.remove:
            if key not in present:
                sys.stdout.write(f'{kind.one} "{key}" not found.\n')
        values: dict[str, str | None] = {key: v for key, v in marks.set.items() if present.get(key) != v}
        values |= {key: None for key in marks.remove if key in present}
        if not values:
            return None
        metadata: Object = {kind.field: values}
        if flags["resource_version"]:
            metadata["resourceVersion"] = flags["resource_version"]
        if change.local:
            from pyrt.kube import jsonpatch

            merged: Object = jsonpatch.merge(session.api.get(one.path), {"metadata": metadata})
            return merged
        return send(session, one, change, {"metadata": metadata}, MERGE_PATCH)

    finish(session, found, change, changed)


def _present(session: Session, one: Chosen, kind: Kind) -> dict[str, str]:
    found: dict[str, str] = (session.api.get(one.path).get("metadata") or {}).get(kind.field) or {}
    return found
