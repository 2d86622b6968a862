"""Who a static pod is: its name, its uid and the marks of a mirror (kubelet, ``pkg/kubelet/config/common.go``).

The uid is a hash of the manifest and of where it comes from, unless the manifest gives one: the same file is the same
pod after a restart of the daemon or of the machine, and a changed file is another pod.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pyrt.controllers.static.errors import StaticPodError
from pyrt.kube.meta import ObjectMeta, OwnerReference
from pyrt.kube.pod import Pod
from pyrt.kube.scheduling import Toleration

SOURCE: Final = "kubernetes.io/config.source"
"""``file`` or ``http``."""
SEEN: Final = "kubernetes.io/config.seen"
HASH: Final = "kubernetes.io/config.hash"
ORIGIN: Final = "pyrt.dev/static-pod-origin"
"""The file or URL."""

_PRIME: Final = (1 << 88) + (1 << 8) + 0x3B
_OFFSET: Final = 0x6C62272E07BB014262B821756295C58D
_UID: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
"""A uid is part of paths and of cgroups' names."""


def fnv128a(data: bytes) -> str:
    """FNV-1a of 128 bits, 32 hexadecimal digits (draft-eastlake-fnv)."""
    value = _OFFSET
    for byte in data:
        value = ((value ^ byte) * _PRIME) & ((1 << 128) - 1)
    return f"{value:032x}"


def settle(pod: Pod, document: dict[str, Any], *, kind: str, origin: str, node: str, node_uid: str, seen: str) -> None:
    """Give a decoded pod the identity of a static one, in place.

    The uid is made from the ``document`` as it was written, the ``kind`` of source (``file`` or ``http``) and the
    ``origin`` (path or URL). ``seen`` is when it was read, RFC 3339.

    Raises
    ------
    StaticPodError: a uid that cannot be one.
    """
    meta = pod.metadata
    digest = _hash(document, kind, origin, node)
    uid = meta.uid or digest
    if not _UID.fullmatch(uid):
        raise StaticPodError(
            f"metadata.uid: expected at most 63 letters, digits and hyphens, got {uid!r}", subject=origin
        )
    annotations = {key: value for key, value in meta.annotations.items() if not key.startswith("kubernetes.io/config.")}
    pod.metadata = ObjectMeta(
        name=f"{meta.name}-{node.lower()}",
        namespace=meta.namespace or "default",
        uid=uid,
        labels=meta.labels,
        annotations=annotations | {SOURCE: kind, SEEN: seen, HASH: digest, ORIGIN: origin},
        owner_references=[OwnerReference(api_version="v1", kind="Node", name=node, uid=node_uid, controller=True)],
        creation_timestamp=seen,
        generation=1,
    )
    pod.spec.node_name = node
    enduring = Toleration(operator="Exists", effect="NoExecute")
    if kind == "file" and enduring not in pod.spec.tolerations:
        pod.spec.tolerations.append(enduring)


def _hash(document: dict[str, Any], kind: str, origin: str, node: str) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    where = f"host:{node}file:{origin}" if kind == "file" else f"url:{origin}"
    return fnv128a((text + where).encode())


def full_name(pod: Pod) -> tuple[str, str]:
    """Namespace and name: one static pod each."""
    return pod.metadata.namespace, pod.metadata.name
