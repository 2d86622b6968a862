"""``-f``: the manifests in files, directories and on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrt.cli.failure import CliError

SUFFIXES = frozenset({".json", ".yaml", ".yml"})
"""What is read in a directory; a file named on the command line may be called anything."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object, and where it was written."""

    source: str
    """A path as the user gave it, or ``STDIN``."""
    object: Object

    @property
    def name(self) -> str:
        """``metadata.name``, empty if there is none."""
        metadata = self.object.get("metadata")
        return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""

    @property
    def namespace(self) -> str:
        """``metadata.namespace``, empty if there is none."""
        metadata = self.object.get("metadata")
        return str(metadata.get("namespace") or "") if isinstance(metadata, dict) else ""


def load(filenames: tuple[str, ...], *, recursive: bool = False) -> list[Manifest]:
    """Every object of every file, Lists taken apart. Raises :class:`CliError`."""
    manifests = [
        Manifest(source, item)
        for filename in filenames
        for source, text in _texts(filename, recursive)
        for document in parse(text, source)
        for item in _members(document, source)
    ]
    if not manifests:
        raise CliError("no objects passed to apply" if filenames else "must specify one of -f and -k")
    return manifests


def parse(text: bytes, source: str) -> list[Object]:
    """The documents of one YAML or JSON text."""
    from pyrt.kube.manifest import ManifestError, load_documents

    try:
        return load_documents(text)
    except ManifestError as error:
        raise CliError(f"error parsing {source}: {error}") from error


def _texts(filename: str, recursive: bool) -> Iterator[tuple[str, bytes]]:
    if filename == "-":
        yield "STDIN", sys.stdin.buffer.read()
        return
    path = Path(filename)
    if path.is_dir():
        yield from ((str(file), file.read_bytes()) for file in _files(path, recursive))
        return
    try:
        yield filename, path.read_bytes()
    except FileNotFoundError as error:
        raise CliError(f'the path "{filename}" does not exist') from error


def _files(directory: Path, recursive: bool) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        if entry.is_dir():
            if recursive:
                yield from _files(entry, recursive)
        elif entry.suffix in SUFFIXES:
            yield entry


def _members(document: Object, source: str) -> Iterator[Object]:
    kind = document.get("kind")
    if not isinstance(kind, str) or not kind:
        raise CliError(f'error validating "{source}": error validating data: kind not set')
    if not isinstance(document.get("apiVersion"), str) or not document["apiVersion"]:
        raise CliError(f'error validating "{source}": error validating data: apiVersion not set')
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            if not isinstance(item, dict):
                raise CliError(f'error validating "{source}": items of a {kind} have to be objects')
            yield from _members({"apiVersion": document["apiVersion"], **item}, source)
    else:
        yield document
