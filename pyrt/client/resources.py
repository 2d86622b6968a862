"""Which kinds of object there are, and where the API serves them.

The common ones are known beforehand, so that ``get pods`` is one request; the others are asked of the server's
discovery documents (``/api/v1``, ``/apis/<group>/<version>``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyrt.client.quoting import quote


class Resource(NamedTuple):
    """One kind of object."""

    name: str
    """Plural: ``pods``."""
    singular: str
    kind: str
    short_names: tuple[str, ...] = ()
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    verbs: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As kubectl prints it before a slash: ``pod``, ``deployment.apps``."""
        return f"{self.singular}.{self.group}" if self.group else self.singular

    def answers_to(self, word: str) -> bool:
        """Whether a user may call it so: any of its names, qualified or not."""
        lower = word.lower()
        names = {self.name, self.singular, *self.short_names, self.kind.lower()}
        if self.group:
            names |= {f"{name}.{self.group}" for name in names} | {f"{self.name}.{self.version}.{self.group}"}
        return lower in names

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The absolute URL path; ``namespace`` ``None`` means all of them."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", quote(namespace)]
        parts.append(self.name)
        if name:
            parts.append(quote(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


POD = Resource("pods", "pod", "Pod", ("po",))
EVENT = Resource("events", "event", "Event", ("ev",))
NAMESPACE = Resource("namespaces", "namespace", "Namespace", ("ns",), namespaced=False)
NODE = Resource("nodes", "node", "Node", ("no",), namespaced=False)
SERVICE_ACCOUNT = Resource("serviceaccounts", "serviceaccount", "ServiceAccount", ("sa",))
CONFIG_MAP = Resource("configmaps", "configmap", "ConfigMap", ("cm",))
SECRET = Resource("secrets", "secret", "Secret")
PERSISTENT_VOLUME = Resource("persistentvolumes", "persistentvolume", "PersistentVolume", ("pv",), namespaced=False)
PERSISTENT_VOLUME_CLAIM = Resource("persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", ("pvc",))
STORAGE_CLASS = Resource(
    "storageclasses", "storageclass", "StorageClass", ("sc",), group="storage.k8s.io", namespaced=False
)

WELL_KNOWN = (
    POD,
    EVENT,
    NAMESPACE,
    NODE,
    CONFIG_MAP,
    SECRET,
    SERVICE_ACCOUNT,
    PERSISTENT_VOLUME_CLAIM,
    PERSISTENT_VOLUME,
    STORAGE_CLASS,
)


def from_discovery(document: dict[str, Any]) -> list[Resource]:
    """The resources of an ``APIResourceList``; subresources are left out."""
    group, _, version = document.get("groupVersion", "v1").rpartition("/")
    return [
        Resource(
            name=entry["name"],
            singular=entry.get("singularName") or entry["kind"].lower(),
            kind=entry["kind"],
            short_names=tuple(entry.get("shortNames") or ()),
            group=entry.get("group") or group,
            version=entry.get("version") or version,
            namespaced=bool(entry.get("namespaced")),
            verbs=tuple(entry.get("verbs") or ()),
        )
        for entry in document.get("resources") or ()
        if "/" not in entry["name"]
    ]
