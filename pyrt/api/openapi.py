"""OpenAPI v3 of the kinds that are served, made of their types: kubectl asks it whether the server validates fields and
knows dry runs, and ``kubectl explain`` prints it.

Paths are described as far as clients look: the verbs that write, with their parameters. Schemas are whole.
"""

from __future__ import annotations

import hashlib
import inspect as python_inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import inspect

import pyrt
from pyrt.api.discovery import KUBERNETES
from pyrt.api.resources import Resource

_CORE: Final = "io.k8s.api.core.v1."
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_METAS: Final = frozenset(
    {"LabelSelector", "LabelSelectorRequirement", "ListMeta", "ManagedFieldsEntry", "ObjectMeta", "OwnerReference"}
)
_PARAMETERS: Final = {"post": "create", "put": "update", "patch": "patch"}
"""HTTP methods that take ``dryRun``, ``fieldManager`` and ``fieldValidation``, and the verbs that they are."""

Schema = dict[str, Any]


def index(resources: Iterable[Resource]) -> Schema:
    """``/openapi/v3``: where the document of each group and version is, with a hash of it."""
    table = list(resources)
    paths = {}
    for group, version in sorted({(r.group, r.version) for r in table}):
        path = path_of(group, version)
        digest = hashlib.sha256(msgspec.json.encode(document(group, version, table))).hexdigest().upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def document(group: str, version: str, resources: Iterable[Resource]) -> Schema:
    """``/openapi/v3/api/v1`` and its like."""
    served = [r for r in resources if (r.group, r.version) == (group, version)]
    schemas: dict[str, Schema] = {}
    for resource in served:
        if resource.type is not None:
            name = _schema(resource.type, schemas)
            schemas[name]["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    major, minor = KUBERNETES
    return {
        "openapi": "3.0.0",
        "info": {"title": "pyrt", "version": f"v{major}.{minor}.0+pyrt-{pyrt.__version__}"},
        "paths": {path: item for resource in served for path, item in _paths(resource)},
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def path_of(group: str, version: str) -> str:
    """``api/v1`` or ``apis/{group}/{version}``."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _gvk(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(resource: Resource) -> Iterable[tuple[str, Schema]]:
    base = f"/{path_of(resource.group, resource.version)}/"
    base += f"namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else resource.plural
    for path, methods in ((base, ("get", "post")), (base + "/{name}", ("get", "put", "patch", "delete"))):
        yield path, {method: _operation(resource, method) for method in methods if _serves(resource, method)}


def _serves(resource: Resource, method: str) -> bool:
    return _PARAMETERS.get(method, method) in resource.verbs


def _operation(resource: Resource, method: str) -> Schema:
    names = ("dryRun", "fieldManager", "fieldValidation") if method in _PARAMETERS else ()
    if method == "delete":
        names = ("dryRun", "gracePeriodSeconds", "propagationPolicy")
    return {
        "x-kubernetes-action": _PARAMETERS.get(method, method),
        "x-kubernetes-group-version-kind": _gvk(resource),
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {"200": {"description": "OK"}},
    }


def _schema(kind: type[msgspec.Struct], schemas: dict[str, Schema]) -> str:
    """Describe a type and those in it; the name of its schema."""
    name = (_META if kind.__name__ in _METAS else _CORE) + kind.__name__
    if name not in schemas:
        schema: Schema = {"type": "object", "description": python_inspect.getdoc(kind) or ""}
        schemas[name] = schema
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        schema["properties"] = {field.encode_name: _of(field.type, schemas) for field in info.fields}
    return name


def _of(info: inspect.Type, schemas: dict[str, Schema]) -> Schema:
    match info:
        case inspect.Metadata():
            quantity = (info.extra or {}).get("kube") == "quantity"
            return {"type": "string", "format": "quantity"} if quantity else _of(info.type, schemas)
        case inspect.UnionType():
            kinds = [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]
            if len(kinds) == 1:
                return _of(kinds[0], schemas)
            return {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
        case inspect.StructType():
            return {"allOf": [{"$ref": f"#/components/schemas/{_schema(info.cls, schemas)}"}], "default": {}}
        case inspect.ListType():
            return {"type": "array", "items": _of(info.item_type, schemas)}
        case inspect.DictType():
            return {"type": "object", "additionalProperties": _of(info.value_type, schemas)}
        case inspect.StrType():
            return {"type": "string"}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return {"type": "integer", "format": "int32" if info.le == 2**31 - 1 else "int64"}
    return {"type": "object"}
