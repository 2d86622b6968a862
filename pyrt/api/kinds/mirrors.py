"""Mirrors of static pods: the API shows them, and their manifests rule them."""

from __future__ import annotations

from pyrt.api.errors import ApiError, forbidden
from pyrt.controllers.static.identity import ORIGIN
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.update import MIRROR
from pyrt.store import StoredObject


def is_mirror(item: StoredObject) -> bool:
    """Whether a stored pod is the mirror of a static one."""
    return b'"' + MIRROR.encode() + b'"' in item.data


def refuse_mirror(meta: ObjectMeta, verb: str) -> None:
    """Raises ApiError 403 for a static pod, and says where it can be changed."""
    if MIRROR in meta.annotations:
        raise forbidden_mirror(meta, verb)


def forbidden_mirror(meta: ObjectMeta, verb: str) -> ApiError:
    """403: what there is to do instead."""
    origin = meta.annotations.get(ORIGIN, "its manifest")
    return forbidden("pods", meta.name, f"it is the mirror of a static pod and cannot be {verb} here; change {origin}")
