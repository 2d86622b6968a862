"""Which devices there are: the files in /etc/cdi and /var/run/cdi, read anew for each container that asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import yaml

from pyrt.cri.cdi.schema import QUALIFIED, ContainerEdits, SpecFile
from pyrt.cri.errors import CriError, invalid

DIRECTORIES: Final = (Path("/etc/cdi"), Path("/var/run/cdi"))
"""A device of a later directory takes the place of an earlier one's."""
ANNOTATION: Final = "cdi.k8s.io/"
"""Older kubelets' way to ask for devices: annotations of this prefix, with names between commas."""

_FIELD: Final = "config.CDI_devices"


def asked_by(names: Iterable[str], annotations: Mapping[str, str]) -> tuple[str, ...]:
    """The qualified names that a request has, each once, in order. Raises :class:`CriError` for what is none."""
    found = [
        name for key, value in sorted(annotations.items()) if key.startswith(ANNOTATION) for name in value.split(",")
    ]
    unique = tuple(dict.fromkeys((*found, *names)))
    for name in unique:
        if QUALIFIED.fullmatch(name) is None:
            raise invalid(_FIELD, f"expected vendor/class=name, got {name!r}")
    return unique


def resolve(names: Sequence[str], directories: Iterable[Path] = DIRECTORIES) -> tuple[ContainerEdits, ...]:
    """The edits of devices, in order; those that a file has for all of its devices come once, before the first.

    Raises :class:`CriError` for a device that is not there, or that two files of one directory have.
    """
    if not names:
        return ()
    files, errors = _read(directories)
    edits: list[ContainerEdits] = []
    begun: set[Path] = set()
    for name in names:
        path, file, own = _find(name, files, errors)
        if path not in begun:
            begun.add(path)
            edits.append(file.container_edits)
        edits.append(own)
    return tuple(edits)


_Level = Mapping[Path, SpecFile]


def _read(directories: Iterable[Path]) -> tuple[list[_Level], list[str]]:
    """What each directory has; and what is wrong with files that could not be read."""
    levels: list[_Level] = []
    errors: list[str] = []
    for directory in directories:
        level: dict[Path, SpecFile] = {}
        try:
            names = sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            path = directory / name
            if path.suffix not in (".json", ".yaml"):
                continue
            try:
                level[path] = _decode(path)
            except (OSError, ValueError, yaml.YAMLError) as error:
                errors.append(f"{path}: {error}")
        levels.append(level)
    return levels, errors


def _decode(path: Path) -> SpecFile:
    """Raises OSError, YAMLError, ValueError (of which msgspec's errors are)."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return msgspec.json.decode(data, type=SpecFile)
    return msgspec.convert(yaml.safe_load(data), SpecFile)


def _find(name: str, levels: Sequence[_Level], errors: Sequence[str]) -> tuple[Path, SpecFile, ContainerEdits]:
    kind, _, device_name = name.partition("=")
    for level in reversed(levels):
        found = [
            (path, file, device.container_edits)
            for path, file in level.items()
            if file.kind == kind
            for device in file.devices
            if device.name == device_name
        ]
        if len(found) > 1:
            where = ", ".join(str(path) for path, _, _ in found)
            raise CriError(f"several files have it: {where}", subject=f"CDI device {name}")
        if found:
            return found[0]
    problem = f"; unreadable: {'; '.join(errors)}" if errors else ""
    raise CriError(f"unresolvable: no spec file has it{problem}", subject=f"CDI device {name}")
