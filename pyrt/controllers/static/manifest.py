"""From a manifest's text to a static pod: typed, defaulted, validated, and free of references to the API's objects."""

from __future__ import annotations

from typing import Any

from pyrt.controllers.static.errors import StaticPodError
from pyrt.controllers.static.identity import HASH, settle
from pyrt.errors import PyrtError
from pyrt.kube import decode
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.manifest import load_documents
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import PodStatus
from pyrt.kube.qos import qos_class
from pyrt.kube.referring import references
from pyrt.kube.support import check
from pyrt.kube.update import MIRROR
from pyrt.kube.validation import validate_pod_create
from pyrt.kube.volumes import Volume


class Node:
    """The node, as far as its static pods name it."""

    __slots__ = ("name", "uid")

    def __init__(self, name: str, uid: str) -> None:
        self.name, self.uid = name, uid


def parse(text: bytes, *, kind: str, origin: str, node: Node, seen: str) -> list[Pod]:
    """The pods of one file (one) or of a URL's answer (a Pod or a PodList).

    Raises
    ------
    StaticPodError: with the first thing that is wrong of each kind; the message names the field.
    """
    try:
        documents = load_documents(text)
    except PyrtError as error:
        raise StaticPodError(f"couldn't parse as pod: {error}", subject=origin) from error
    if len(documents) != 1:
        raise StaticPodError(f"expected one Pod, got {len(documents)} documents", subject=origin)
    (document,) = documents
    if kind == "http" and (document.get("apiVersion"), document.get("kind")) == ("v1", "PodList"):
        items = document.get("items") or []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise StaticPodError("items: expected a list of pods", subject=origin)
        inner = [{"apiVersion": "v1", "kind": "Pod", **item} for item in items]
        return [_pod(item, kind, origin, node, seen) for item in inner]
    return [_pod(document, kind, origin, node, seen)]


def _pod(document: dict[str, Any], kind: str, origin: str, node: Node, seen: str) -> Pod:
    found = (document.get("apiVersion"), document.get("kind"))
    if found != ("v1", "Pod"):
        raise StaticPodError(f"kind: expected v1 Pod, got {found[0]} {found[1]}", subject=origin)
    try:
        pod = decode.from_object(document, Pod)
    except decode.DecodeError as error:
        raise StaticPodError(f"invalid pod: {error}", subject=origin) from error
    if not pod.metadata.name:
        raise StaticPodError("invalid pod: metadata.name: name is needed for the pod", subject=origin)
    settle(pod, document, kind=kind, origin=origin, node=node.name, node_uid=node.uid, seen=seen)
    set_pod_defaults(pod)
    if errors := validate_pod_create(pod):
        raise StaticPodError("invalid pod: " + ", ".join(map(str, errors)), subject=origin)
    if (reference := referred(pod)) is not None:
        field, resource = reference
        raise StaticPodError(f"{field}: static pods may not reference {resource}", subject=origin)
    if refused := check(pod).refused:
        raise StaticPodError("invalid pod: " + ", ".join(map(str, refused)), subject=origin)
    pod.metadata.annotations[MIRROR] = pod.metadata.annotations[HASH]
    pod.status = PodStatus(phase="Pending", qos_class=qos_class(pod))
    return pod


def referred(pod: Pod) -> tuple[str, str] | None:
    """A field by which the pod needs an object of the API, and the kind of that (``HasAPIObjectReference``,
    ``pkg/api/pod/util.go``): static pods run when there is no API to ask.
    """
    spec = pod.spec
    if spec.service_account_name or spec.service_account:
        return "spec.serviceAccountName", "serviceaccounts"
    if spec.image_pull_secrets:
        return "spec.imagePullSecrets", "secrets"
    if spec.resource_claims:
        return "spec.resourceClaims", "resourceclaims"
    for index, volume in enumerate(spec.volumes):
        if (resource := _of_volume(volume)) is not None:
            return f"spec.volumes[{index}]", resource
    for kind, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            lone = Pod()
            lone.spec.containers = [container]
            for reference in references(lone):
                field = "envFrom" if container.env_from and not reference.key else "env"
                return f"spec.{kind}[{index}].{field}", f"{reference.kind.lower()}s"
    return None


def _of_volume(volume: Volume) -> str | None:
    pairs: list[tuple[object, str]] = [
        (volume.config_map, "configmaps (via configmap volumes)"),
        (volume.secret, "secrets (via secret volumes)"),
        (volume.csi, "csidrivers (via CSI volumes)"),
        (volume.persistent_volume_claim, "persistentvolumeclaims"),
        (volume.ephemeral, "persistentvolumeclaims (via ephemeral volumes)"),
        (volume.azure_file, "secrets (via azureFile volumes)"),
        (volume.glusterfs, "endpoints (via glusterFS volumes)"),
    ]
    for part in volume.projected.sources if volume.projected is not None else ():
        pairs += [
            (part.config_map, "configmaps (via projected volumes)"),
            (part.secret, "secrets (via projected volumes)"),
            (part.service_account_token, "serviceaccounts (via projected volumes)"),
            (part.cluster_trust_bundle, "clustertrustbundles"),
            (part.pod_certificate, "podcertificates"),
        ]
    return next((resource for source, resource in pairs if source is not None), None)
