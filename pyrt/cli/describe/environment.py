"""The variables in a container's description: where they come from, never what is in a Secret."""

from __future__ import annotations

import math
from typing import Any

from pyrt.cli.describe.writer import Writer

Object = dict[str, Any]

KEYS = (("configMapKeyRef", "of config map"), ("secretKeyRef", "in secret"))


def describe_environment(out: Writer, container: Object, pod: Object) -> None:
    """``envFrom`` and ``env``."""
    sources = container.get("envFrom") or []
    if sources:
        out.line("Environment Variables from:", level=2)
        for source in sources:
            kind, reference = next(((k, v) for k, v in source.items() if isinstance(v, dict)), ("", {}))
            label = {"configMapRef": "ConfigMap", "secretRef": "Secret"}.get(kind, kind)
            prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
            out.line(f"{reference.get('name', '')}", label + prefix, f"Optional: {_optional(reference)}", level=3)
    variables = container.get("env") or []
    out.line("Environment:", *([] if variables else ["<none>"]), level=2)
    for variable in variables:
        source = variable.get("valueFrom")
        if source is None:
            first, *more = str(variable.get("value") or "").split("\n")
            out.line(f"{variable['name']}:", first, level=3)
            for line in more:
                out.line("", line, level=3)
        else:
            out.line(f"{variable['name']}:", *_source(source, container, pod), level=3)


def _optional(reference: Object) -> str:
    return str(bool(reference.get("optional"))).lower()


def _source(source: Object, container: Object, pod: Object) -> list[str]:
    if field := source.get("fieldRef"):
        path = str(field.get("fieldPath") or "")
        return [f"{_field(pod, path)} ({field.get('apiVersion') or 'v1'}:{path})"]
    if field := source.get("resourceFieldRef"):
        return [f"{_resource(field, container)} ({field.get('resource')})"]
    if file := source.get("fileKeyRef"):
        where = f"'{file.get('path')}' of volume '{file.get('volumeName')}'"
        return [f"<set to the key '{file.get('key')}' in file {where}>", f"Optional: {_optional(file)}"]
    for key, kind in KEYS:
        if reference := source.get(key):
            words = f"<set to the key '{reference.get('key')}' {kind} '{reference.get('name')}'>"
            return [words, f"Optional: {_optional(reference)}"]
    return [""]


def _field(pod: Object, path: str) -> str:
    """What of the metadata a path leads to; of the rest kubectl says nothing."""
    metadata = pod.get("metadata") or {}
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(metadata.get(path.partition(".")[2]) or "")
    name, opened, key = path.partition("['")
    if opened and name in ("metadata.labels", "metadata.annotations"):
        return str((metadata.get(name.partition(".")[2]) or {}).get(key.removesuffix("']"), ""))
    return ""


def _resource(field: Object, container: Object) -> str:
    from pyrt.kube import quantity

    resource = str(field.get("resource") or "")
    kind, _, name = resource.partition(".")
    text = ((container.get("resources") or {}).get(kind) or {}).get(name, "0")
    try:
        divisor = quantity.value(str(field.get("divisor") or "0")) or 1
        value = str(math.ceil(quantity.value(str(text)) / divisor))
    except quantity.QuantityError:
        return ""
    return "node allocatable" if value == "0" and resource in ("limits.cpu", "limits.memory") else value
