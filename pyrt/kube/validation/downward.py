"""Rules of what tells containers about their pod: fieldRef and resourceFieldRef."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyrt.kube import names, quantity
from pyrt.kube.field import FieldError, each_invalid, invalid, not_supported, required
from pyrt.kube.volumes import ObjectFieldSelector, ResourceFieldSelector

ENV_FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
"""What an environment variable may tell of its pod, beside single labels and annotations."""

VOLUME_FIELD_PATHS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
"""What a file may tell, beside single labels and annotations."""

_CONVERTIBLE = {*ENV_FIELD_PATHS, *VOLUME_FIELD_PATHS}
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]", re.DOTALL)

_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def validate_field_ref(selector: ObjectFieldSelector, supported: Sequence[str], path: str) -> list[FieldError]:
    """A field of the pod out of ``supported``, or a label or annotation."""
    if not selector.field_path:
        return [required(f"{path}.fieldPath")]
    if selector.api_version not in ("", "v1"):
        detail = f"error converting fieldPath: unsupported pod version: {selector.api_version}"
        return [invalid(f"{path}.fieldPath", selector.field_path, detail)]
    subscript = _SUBSCRIPT.fullmatch(selector.field_path)
    if subscript is not None:
        key = subscript[2].lower() if subscript[1] == "metadata.annotations" else subscript[2]
        return each_invalid(path, key, names.label_key(key))
    if selector.field_path in supported:
        return []
    if selector.field_path in _CONVERTIBLE:
        return [not_supported(f"{path}.fieldPath", selector.field_path, supported)]
    detail = f"error converting fieldPath: field label not supported: {selector.field_path}"
    return [invalid(f"{path}.fieldPath", selector.field_path, detail)]


def validate_resource_ref(selector: ResourceFieldSelector, path: str, *, in_volume: bool) -> list[FieldError]:
    """A resource of a container, and what it is divided by."""
    errors: list[FieldError] = []
    resource = selector.resource
    if in_volume and not selector.container_name:
        errors.append(required(f"{path}.containerName"))
    elif not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        errors.append(not_supported(f"{path}.resource", resource, _RESOURCES))
    return errors + _divisor(selector, f"{path}.divisor")


def _divisor(selector: ResourceFieldSelector, path: str) -> list[FieldError]:
    try:
        divisor = quantity.canonical(selector.divisor or "0")
    except quantity.QuantityError as error:
        return [invalid(path, selector.divisor, error.message)]
    kind, _, name = selector.resource.partition(".")
    if divisor == "0" or kind not in ("limits", "requests"):
        return []
    if name == "cpu":
        if divisor not in ("1m", "1"):
            return [
                invalid(path, selector.resource, "only divisor's values 1m and 1 are supported with the cpu resource")
            ]
        return []
    words = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
    what = "hugepages" if name.startswith("hugepages-") else words.get(name)
    if what is None or divisor in _SIZES:
        return []
    detail = f"only divisor's values {', '.join(_SIZES)} are supported with the {what} resource"
    return [invalid(path, selector.resource, detail)]
