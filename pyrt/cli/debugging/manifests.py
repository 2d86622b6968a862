"""What ``pyrt debug`` sends: a guest for a running pod, a copy of a pod, or a pod on the node. Pure but for names."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyrt.cli.containers import names
from pyrt.cli.debugging.profiles import PROFILES, Journey
from pyrt.cli.failure import CliError

Object = dict[str, Any]
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet of generated names: nothing that could spell a word."""


@dataclass(frozen=True, slots=True)
class Visit:
    """The flags."""

    image: str = ""
    name: str = ""
    """Of the container; empty for a generated one."""
    words: tuple[str, ...] = ()
    as_args: bool = False
    env: tuple[tuple[str, str], ...] = ()
    pull_policy: str = ""
    stdin: bool = False
    tty: bool = False
    target: str = ""
    profile: str = "general"
    custom: Mapping[str, Any] | None = None
    """``--custom``: a partial container on top of the profile."""


@dataclass(frozen=True, slots=True)
class Copying:
    """The flags of ``--copy-to``."""

    name: str
    images: Mapping[str, str] = field(default_factory=dict)
    share_processes: bool | None = None
    keep_labels: bool = False
    keep_annotations: bool = False
    keep_liveness: bool = False
    keep_readiness: bool = False
    keep_startup: bool = False
    keep_init_containers: bool = True
    same_node: bool = False


def guest(pod: Object, visit: Visit) -> Object:
    """The ephemeral container."""
    container = _container(visit, visit.name or new_name(pod))
    if visit.target:
        container["targetContainerName"] = visit.target
    PROFILES[visit.profile](pod["spec"], container, Journey.GUEST)
    return _customised(container, visit)


def pod_copy(pod: Object, visit: Visit, copying: Copying) -> tuple[Object, str]:
    """The copy, and the name of the container to attach to (empty if only images were changed)."""
    spec = copy.deepcopy(pod["spec"])
    for unwanted in ("ephemeralContainers", *(() if copying.same_node else ("nodeName",))):
        spec.pop(unwanted, None)
    if copying.share_processes is not None:
        spec["shareProcessNamespace"] = copying.share_processes
    for container in spec["containers"]:
        container["image"] = copying.images.get(container["name"]) or copying.images.get("*") or container["image"]
    metadata: Object = {"name": copying.name, "namespace": pod["metadata"].get("namespace", "")}
    for key, kept in (("labels", copying.keep_labels), ("annotations", copying.keep_annotations)):
        if (kept or (visit.profile == "legacy" and key == "annotations")) and pod["metadata"].get(key):
            metadata[key] = pod["metadata"][key]
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    chosen = next((container for container in spec["containers"] if container["name"] == visit.name), None)
    if chosen is None:
        if not visit.image:
            if copying.images:
                return made, ""
            raise CliError("you must specify image when creating new container")
        chosen = {"name": visit.name or new_name(pod), "terminationMessagePolicy": "File"}
        spec["containers"].append(chosen)
    _apply(chosen, visit)
    if visit.profile != "legacy":
        _strip(spec, copying)
    PROFILES[visit.profile](spec, chosen, Journey.COPY)
    spec["containers"][spec["containers"].index(chosen)] = _customised(chosen, visit)
    return made, chosen["name"]


def node_pod(node: str, visit: Visit) -> Object:
    """A pod in the node's own namespaces."""
    container = _container(visit, visit.name or "debugger")
    spec: Object = {
        "containers": [container],
        "nodeName": node,
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
    }
    PROFILES[visit.profile](spec, container, Journey.NODE)
    spec["containers"] = [_customised(container, visit)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"node-debugger-{node}-{_suffix()}",
            "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"},
        },
        "spec": spec,
    }


def new_name(pod: Object) -> str:
    """A name for a container that the pod does not have yet."""
    taken = {name for group in names(pod) for name in group}
    while (name := f"debugger-{_suffix()}") in taken:
        pass
    return name


def _suffix() -> str:
    return "".join(random.choices(_LETTERS, k=5))


def _container(visit: Visit, name: str) -> Object:
    container: Object = {"name": name, "terminationMessagePolicy": "File"}
    _apply(container, visit)
    return container


def _apply(container: Object, visit: Visit) -> None:
    if visit.words:
        if visit.as_args:
            container["args"] = list(visit.words)
        else:
            container["command"] = list(visit.words)
            container.pop("args", None)
    if visit.env:
        container["env"] = [{"name": name, "value": value} for name, value in visit.env]
    if visit.image:
        container["image"] = visit.image
        container.pop("imagePullPolicy", None)  # the new image's own default
    if visit.pull_policy:
        container["imagePullPolicy"] = visit.pull_policy
    container |= {"stdin": visit.stdin, "tty": visit.tty}


def _strip(spec: Object, copying: Copying) -> None:
    for container in spec["containers"]:
        for probe, kept in (
            ("livenessProbe", copying.keep_liveness),
            ("readinessProbe", copying.keep_readiness),
            ("startupProbe", copying.keep_startup),
        ):
            if not kept:
                container.pop(probe, None)
    if not copying.keep_init_containers:
        spec.pop("initContainers", None)


def _customised(container: Object, visit: Visit) -> Object:
    if visit.custom is None:
        return container
    if any(visit.custom.get(key) for key in ("name", "command", "image", "lifecycle", "volumeDevices")):
        raise CliError("name, command, image, lifecycle and volume devices are not modifiable via custom profile")
    from pyrt.kube import strategic

    return strategic.apply(container, dict(visit.custom))
