"""From a request's path to what it means (Kubernetes API conventions, "Resource paths")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """A path below ``/api/{version}`` or ``/apis/{group}/{version}``, taken apart.

    ``resource`` is empty for the group's own discovery document. ``namespace`` is empty for cluster-wide resources and
    for all namespaces.
    """

    group: str
    version: str
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows a subresource (``proxy/some/path``)."""


def parse_path(path: str) -> Route | None:
    """Take a path apart; ``None`` if it is not below a versioned group."""
    root, _, tail = path.strip("/").partition("/")
    parts = tail.split("/") if tail else []
    if root == "api" and parts:
        group, version, rest = "", parts[0], parts[1:]
    elif root == "apis" and len(parts) >= 2:
        group, version, rest = parts[0], parts[1], parts[2:]
    else:
        return None
    if "" in rest:
        return None
    namespace = ""
    # /namespaces/{name}, /namespaces/{name}/status and /finalize are about the Namespace itself.
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    fields = [*rest[:3], "", "", ""]
    return Route(group, version, fields[0], namespace, fields[1], fields[2], "/".join(rest[3:]))
