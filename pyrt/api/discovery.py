"""What is served: the documents from which clients learn groups, versions, kinds and verbs."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pyrt
from pyrt.api.resources import Resource

KUBERNETES: Final = ("1", "36")
"""The release whose API this is."""


def version() -> dict[str, Any]:
    """``/version``: kubectl compares major and minor with its own."""
    major, minor = KUBERNETES
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+pyrt-{pyrt.__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": f"python{platform.python_version()}",
        "platform": f"linux/{platform.machine()}",
    }


def api_versions() -> dict[str, Any]:
    """``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups(resources: Iterable[Resource], extra: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """``/apis``; ``extra`` are (group, version) pairs without stored kinds."""
    found = sorted({(r.group, r.version) for r in resources if r.group} | set(extra))
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(name, version) for name, version in found]}


def group(name: str, version: str) -> dict[str, Any]:
    """``/apis/{group}``."""
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource that is answered by hand, as discovery tells of it."""

    name: str
    singular: str
    kind: str
    verbs: tuple[str, ...]
    namespaced: bool = False


def resource_list(
    group_name: str, version: str, resources: Iterable[Resource], listed: Iterable[Listed] = ()
) -> dict[str, Any]:
    """``/api/v1`` and ``/apis/{group}/{version}``."""
    entries: list[dict[str, Any]] = [
        {
            "name": one.name,
            "singularName": one.singular,
            "namespaced": one.namespaced,
            "kind": one.kind,
            "verbs": list(one.verbs),
        }
        for one in listed
    ]
    for resource in resources:
        if (resource.group, resource.version) != (group_name, version):
            continue
        entry: dict[str, Any] = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": sorted(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        entries.append(entry)
        for sub in resource.subresources:
            child: dict[str, Any] = {
                "name": f"{resource.plural}/{sub.name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": sub.kind,
                "verbs": sorted(sub.verbs),
            }
            if sub.version:
                child |= {"group": sub.group, "version": sub.version}
            entries.append(child)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group_name}/{version}" if group_name else version,
        "resources": sorted(entries, key=lambda entry: str(entry["name"])),
    }
