"""The base of every Kubernetes type: how JSON names become attributes, and what is left out when written.

An attribute is the snake_case of its JSON name (``podIPs`` is ``pod_ips``). Optional objects and scalars that the
API distinguishes from their zero are ``None`` when absent; the others have Go's zero value. What the API server
always writes, even when empty (``restartCount: 0``, ``resources: {}``), has a ``default_factory``, which msgspec's
``omit_defaults`` does not leave out; empty lists and maps are left out.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

_WORDS = {word: word.upper() for word in ("ip", "pid", "ipc", "id", "fqdn", "uuid", "uri", "io", "api", "v1")} | {
    "ips": "IPs",
    "wwns": "WWNs",
}


def json_name(attribute: str) -> str:
    """The JSON name of an attribute: camelCase, with the acronyms that Kubernetes writes in capitals."""
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(_WORDS.get(word) or word.capitalize() for word in rest)


Int32: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

Time: TypeAlias = str
"""RFC 3339 in UTC, whole seconds (``2026-11-23T18:54:33Z``); events also have microseconds."""

Quantity: TypeAlias = Annotated[str, Meta(extra={"kube": "quantity"})]
"""``500m``, ``1Gi``: see :mod:`pyrt.kube.quantity`. A number in the manifest is read as its text."""

ResourceList: TypeAlias = dict[str, Quantity]
"""Resource name (``cpu``, ``memory``, ``ephemeral-storage``, ``hugepages-2Mi``) to quantity."""


class KubeStruct(
    msgspec.Struct,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename=json_name,
):
    """A part of a Kubernetes object. Mutable: defaulting fills it in place right after decoding."""


def null() -> Any:
    """For times that the API server writes as ``null`` while unset (``lastProbeTime``)."""
    return None


def empty_list() -> list[Any]:
    """For lists that the API server writes even when they are empty (``items``)."""
    return []
