"""From words to objects: ``pods``, ``po/web``, ``pod web db``, ``pods,events``."""

from __future__ import annotations

from typing import NamedTuple

from pyrt.cli.failure import CliError
from pyrt.client.api import Api
from pyrt.client.resources import POD, Resource


class Target(NamedTuple):
    """Objects of one kind; an empty name means all of them (that a selector lets through)."""

    resource: Resource
    name: str = ""


def resolve(api: Api, words: tuple[str, ...]) -> list[Target]:
    """What the words after ``get``, ``delete``, ``describe`` or ``wait`` mean. Raises :class:`CliError`."""
    if not words:
        return []
    if any("/" in word for word in words):
        return [_with_slash(api, word) for word in words]
    kinds = [lookup(api, word) for word in words[0].split(",") if word]
    if len(words) == 1:
        return [Target(kind) for kind in kinds]
    return [Target(kind, name) for kind in kinds for name in words[1:]]


def _with_slash(api: Api, word: str) -> Target:
    kind, slash, name = word.partition("/")
    if not slash:
        raise CliError(
            "there is no need to specify a resource type as a separate argument when passing arguments in resource/name"
            " form (e.g. 'pyrt get resource/<resource_name>' instead of 'pyrt get resource resource/<resource_name>'"
        )
    if not kind or not name or "/" in name:
        raise CliError("arguments in resource/name form may not have more than one slash")
    return Target(lookup(api, kind), name)


def lookup(api: Api, word: str) -> Resource:
    """The kind that a user means. Raises :class:`CliError` in kubectl's words."""
    if word == "all":
        return POD
    resource = api.resource(word)
    if resource is None:
        raise CliError(f'the server doesn\'t have a resource type "{word}"')
    return resource


def pod_name(word: str) -> str:
    """``web``, ``pod/web``, ``po/web``: commands that work on a pod take all of these."""
    kind, slash, name = word.partition("/")
    if not slash:
        return word
    if not POD.answers_to(kind) or not name:
        raise CliError(f'"{word}" is not a pod')
    return name
