"""The volumes in a pod's description."""

from __future__ import annotations

from typing import Any

from pyrt.cli.describe.writer import Writer

Object = dict[str, Any]

VOLUMES = {
    "emptyDir": (
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        {"Medium": "medium", "SizeLimit": "sizeLimit"},
    ),
    "hostPath": ("HostPath (bare host directory volume)", {"Path": "path", "HostPathType": "type"}),
    "configMap": ("ConfigMap (a volume populated by a ConfigMap)", {"Name": "name", "Optional": "optional"}),
    "secret": ("Secret (a volume populated by a Secret)", {"SecretName": "secretName", "Optional": "optional"}),
    "projected": ("Projected (a volume that contains injected data from multiple sources)", {}),
    "downwardAPI": ("DownwardAPI (a volume populated by information about the pod)", {}),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        {"ClaimName": "claimName", "ReadOnly": "readOnly"},
    ),
    "ephemeral": (
        "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)",
        {},
    ),
    "image": ("Image (a container image or OCI artifact)", {"Reference": "reference", "PullPolicy": "pullPolicy"}),
}
"""Kind to title, and label to field."""
UNSET = {"sizeLimit": "<unset>", "optional": False, "readOnly": False}


def describe_volumes(out: Writer, volumes: list[Object]) -> None:
    """The section."""
    if not volumes:
        out.line("Volumes:", "<none>")
        return
    out.line("Volumes:")
    for volume in volumes:
        out.line(f"{volume['name']}:", level=1)
        kind = next((key for key in volume if key != "name"), "emptyDir")
        source = volume.get(kind) or {}
        description, fields = VOLUMES.get(kind, (kind, {}))
        out.line("Type:", description, level=2)
        for label, key in fields.items():
            out.line(f"{label}:", _text(source.get(key, UNSET.get(key, ""))), level=2)
        if kind == "downwardAPI":
            out.line("Items:", level=2)
            for item in source.get("items") or ():
                what = (item.get("fieldRef") or {}).get("fieldPath") or (item.get("resourceFieldRef") or {}).get(
                    "resource"
                )
                out.line(f"{what} -> {item.get('path')}", level=3)
        for part in (source.get("sources") or ()) if kind == "projected" else ():
            _projection(out, part)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _projection(out: Writer, part: Object) -> None:
    for key, label in (("secret", "SecretName:"), ("configMap", "ConfigMapName:")):
        if (source := part.get(key)) is not None:
            out.line(label, source.get("name") or "", level=2)
            out.line("Optional:", _text(bool(source.get("optional"))), level=2)
    if part.get("downwardAPI") is not None:
        out.line("DownwardAPI:", "true", level=2)
