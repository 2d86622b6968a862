"""Where a manifest's object belongs: its collection's path and its namespace."""

from __future__ import annotations

from dataclasses import dataclass

from pyrt.cli.failure import CliError
from pyrt.cli.manifests import Manifest
from pyrt.cli.session import Session
from pyrt.client.resources import Resource


@dataclass(frozen=True, slots=True)
class Place:
    """An object's address."""

    resource: Resource
    namespace: str
    """Empty for a kind without namespaces."""
    name: str

    @property
    def collection(self) -> str:
        """The path to POST to."""
        return self.resource.path(self.namespace or None)

    @property
    def path(self) -> str:
        """The object's own path."""
        return self.resource.path(self.namespace or None, self.name)

    @property
    def label(self) -> str:
        """``pod/web``."""
        return f"{self.resource.qualified}/{self.name}"


def place(session: Session, manifest: Manifest) -> Place:
    """Find the kind and settle the namespace. Raises :class:`CliError` for a kind that the server does not have."""
    api_version, kind = manifest.object["apiVersion"], manifest.object["kind"]
    resource = session.api.resource_of(api_version, kind)
    if resource is None:
        raise CliError(
            f'resource mapping not found for name: "{manifest.name}" namespace: "{manifest.namespace}" from '
            f'"{manifest.source}": no matches for kind "{kind}" in version "{api_version}"\n'
            f"{_supported(session)}{_of_template(api_version, kind)}"
        )
    if not resource.namespaced:
        return Place(resource, "", manifest.name)
    namespace = manifest.namespace or session.namespace
    if session.explicit_namespace and namespace != session.namespace:
        raise CliError(
            f'the namespace from the provided object "{namespace}" does not match the namespace "{session.namespace}". '
            f"You must pass '--namespace={namespace}' to perform this operation."
        )
    return Place(resource, namespace, manifest.name)


def _supported(session: Session) -> str:
    kinds = sorted({found.kind for found in session.api.discover() if "create" in found.verbs})
    return f"pyrt supports the kinds {', '.join(kinds)}" if kinds else "pyrt does not support this kind"


def _of_template(api_version: str, kind: str) -> str:
    from pyrt.cli.explain.templates import TEMPLATES

    if (api_version, kind) not in TEMPLATES:
        return ""
    return f'; what the pods of this {kind} would be is shown by "pyrt explain"'
