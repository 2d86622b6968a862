"""Volumes, claims and storage classes, in the layouts of ``kubectl describe``."""

from __future__ import annotations

from typing import Any, Final

from pyrt.cli.describe.annotations import shown
from pyrt.cli.describe.events import describe_events
from pyrt.cli.describe.writer import Writer
from pyrt.cli.durations import age

Object = dict[str, Any]
DEFAULT: Final = "storageclass.kubernetes.io/is-default-class"
_SHORT: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
SOURCES: Final = {
    "local": ("LocalVolume (a persistent volume backed by local storage on a node)", {"Path": "path"}),
    "hostPath": ("HostPath (bare host directory volume)", {"Path": "path", "HostPathType": "type"}),
}


def describe_volume(item: Object, events: list[Object] | None) -> str:
    """A PersistentVolume."""
    out = Writer()
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    out.line("Name:", metadata["name"])
    out.mapping("Labels:", metadata.get("labels"), equals="=")
    out.mapping("Annotations:", shown(metadata.get("annotations")))
    out.line("Finalizers:", _listed(metadata.get("finalizers")))
    out.line("StorageClass:", spec.get("storageClassName") or "")
    out.line("Status:", _status(metadata, status))
    claim = spec.get("claimRef")
    out.line("Claim:", f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "")
    out.line("Reclaim Policy:", spec.get("persistentVolumeReclaimPolicy") or "")
    out.line("Access Modes:", modes(spec.get("accessModes")))
    out.line("VolumeMode:", spec.get("volumeMode") or "")
    out.line("Capacity:", (spec.get("capacity") or {}).get("storage", ""))
    _affinity(out, spec)
    out.line("Message:", status.get("message") or "")
    out.line("Source:")
    for name, (title, fields) in SOURCES.items():
        if name in spec:
            out.line("Type:", title, level=2)
            for label, key in fields.items():
                out.line(f"{label}:", str(spec[name].get(key) or ""), level=2)
    describe_events(out, events)
    return out.text()


def describe_claim(item: Object, users: list[str], events: list[Object] | None) -> str:
    """A PersistentVolumeClaim; ``users`` are the names of the pods that use it."""
    out = Writer()
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    bound = bool(spec.get("volumeName"))
    out.line("Name:", metadata["name"])
    out.line("Namespace:", metadata.get("namespace", ""))
    out.line("StorageClass:", spec.get("storageClassName") or "")
    out.line("Status:", _status(metadata, status))
    out.line("Volume:", spec.get("volumeName") or "")
    out.mapping("Labels:", metadata.get("labels"), equals="=")
    out.mapping("Annotations:", shown(metadata.get("annotations")))
    out.line("Finalizers:", _listed(metadata.get("finalizers")))
    out.line("Capacity:", (status.get("capacity") or {}).get("storage", "") if bound else "")
    out.line("Access Modes:", modes(status.get("accessModes")) if bound else "")
    out.line("VolumeMode:", spec.get("volumeMode") or "")
    for index, name in enumerate(sorted(users) or ["<none>"]):
        out.line("Used By:" if index == 0 else "", name)
    describe_events(out, events)
    return out.text()


def describe_class(item: Object, events: list[Object] | None) -> str:
    """A StorageClass."""
    out = Writer()
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    out.line("Name:", metadata["name"])
    out.line("IsDefaultClass:", "Yes" if annotations.get(DEFAULT) == "true" else "No")
    out.line("Annotations:", ",".join(f"{k}={v}" for k, v in sorted(shown(annotations).items())) or "<none>")
    out.line("Provisioner:", item.get("provisioner") or "")
    parameters = item.get("parameters") or {}
    out.line("Parameters:", ",".join(f"{k}={v}" for k, v in sorted(parameters.items())) or "<none>")
    expands = item.get("allowVolumeExpansion")
    out.line("AllowVolumeExpansion:", "<unset>" if expands is None else str(bool(expands)))
    for index, option in enumerate(item.get("mountOptions") or ["<none>"]):
        out.line("MountOptions:" if index == 0 else "", option)
    out.line("ReclaimPolicy:", item.get("reclaimPolicy") or "")
    out.line("VolumeBindingMode:", item.get("volumeBindingMode") or "")
    describe_events(out, events)
    return out.text()


def users_of(claim: Object, pods: list[Object]) -> list[str]:
    """The names of those pods that use a claim."""
    name = claim["metadata"]["name"]
    found = []
    for pod in pods:
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            named = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if "ephemeral" in volume:
                named = f"{pod['metadata']['name']}-{volume['name']}"
            if named == name and pod["metadata"]["name"] not in found:
                found.append(pod["metadata"]["name"])
    return found


def modes(names: list[str] | None) -> str:
    """``RWO,ROX``."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (names or ()))


def _status(metadata: Object, status: Object) -> str:
    if metadata.get("deletionTimestamp"):
        return f"Terminating (lasts {age(metadata['deletionTimestamp'])})"
    return status.get("phase") or ""


def _listed(values: list[str] | None) -> str:
    """As Go prints a slice."""
    return f"[{' '.join(values or ())}]"


def _affinity(out: Writer, spec: Object) -> None:
    required = (spec.get("nodeAffinity") or {}).get("required")
    if required is None:
        out.line("Node Affinity:", "<none>")
        return
    out.line("Node Affinity:")
    out.line("Required Terms:", level=1)
    for number, term in enumerate(required.get("nodeSelectorTerms") or ()):
        texts = [
            f"{one.get('key')} {one.get('operator', '').lower()} {_listed(one.get('values'))}"
            if one.get("values")
            else f"{one.get('key')} {one.get('operator', '').lower()}"
            for one in term.get("matchExpressions") or ()
        ]
        for index, text in enumerate(texts or [""]):
            out.line(f"Term {number}:" if index == 0 else "", text, level=2)
