"""Rules of requests and limits."""

from __future__ import annotations

from pyrt.kube import names, quantity
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, required
from pyrt.kube.resources import ResourceRequirements

HUGEPAGES = "hugepages-"
_CONTAINER = ("cpu", "memory", "ephemeral-storage")
_STANDARD = frozenset(
    {
        *_CONTAINER,
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "storage",
        "requests.storage",
        "services.nodeports",
        "services.loadbalancers",
    }
)


def _name(name: str, path: str) -> list[FieldError]:
    errors = each_invalid(path, name, names.label_key(name))
    if errors:
        return errors
    if "/" not in name:
        if name in _CONTAINER or name.startswith(HUGEPAGES):
            return []
        if name not in _STANDARD and not name.startswith("requests." + HUGEPAGES):
            errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
        errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif "kubernetes.io/" not in name and (name.startswith("requests.") or names.label_key(f"requests.{name}")):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return errors


def _overcommits(name: str) -> bool:
    return ("/" not in name or "kubernetes.io/" in name) and not name.startswith(HUGEPAGES)


def _value(name: str, text: str, path: str) -> list[FieldError]:
    try:
        value = quantity.value(text)
    except quantity.QuantityError as error:
        return [invalid(path, text, error.message)]
    if value < 0:
        return [invalid(path, text, "must be greater than or equal to 0")]
    if "/" in name and "kubernetes.io/" not in name and value.denominator != 1:
        return [invalid(path, text, "must be an integer")]
    if name.startswith(HUGEPAGES):
        size = name.removeprefix(HUGEPAGES)
        if not quantity.is_valid(size) or quantity.value(size) <= 0 or value % quantity.value(size) != 0:
            return [invalid(path, text, f"{text} is not positive integer multiple of {name}")]
    return []


def validate_resources(resources: ResourceRequirements, path: str) -> list[FieldError]:
    """Names and figures, and requests within limits."""
    if not resources.limits and not resources.requests:
        return []
    errors: list[FieldError] = []
    for kind, figures in (("limits", resources.limits), ("requests", resources.requests)):
        for name, text in figures.items():
            where = f"{path}.{kind}[{name}]"
            errors += _name(name, where)
            errors += _value(name, text, where)
    if errors:
        return errors
    for name, text in resources.requests.items():
        limit = resources.limits.get(name)
        if limit is None:
            if not _overcommits(name):
                errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        elif quantity.value(text) != quantity.value(limit) and not _overcommits(name):
            errors.append(invalid(f"{path}.requests", text, f"must be equal to {name} limit of {limit}"))
        elif quantity.value(text) > quantity.value(limit):
            errors.append(invalid(f"{path}.requests", text, f"must be less than or equal to {name} limit of {limit}"))
    everything = {*resources.limits, *resources.requests}
    if any(n.startswith(HUGEPAGES) for n in everything) and not everything & {"cpu", "memory"}:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    return errors
