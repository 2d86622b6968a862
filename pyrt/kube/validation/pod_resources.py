"""Rules of the resources of a pod as a whole (``spec.resources``, KEP-2837)."""

from __future__ import annotations

from fractions import Fraction

from pyrt.kube import quantity
from pyrt.kube.aggregate import HUGEPAGES, POD_LEVEL, container_limits, container_requests, is_pod_level
from pyrt.kube.field import FieldError, forbidden, invalid, not_supported
from pyrt.kube.pod import PodSpec
from pyrt.kube.validation.resources import validate_resources


def validate_pod_resources(spec: PodSpec, path: str) -> list[FieldError]:
    """Names and figures; what the containers ask for together fits in; no container may use more than its pod."""
    whole = spec.resources
    if whole is None:
        return []
    where = f"{path}.resources"
    errors: list[FieldError] = []
    if whole.claims:
        errors.append(forbidden(f"{where}.claims", "claims may not be set for Resources at pod-level"))
    errors += validate_resources(whole, where)
    for kind, figures in (("limits", whole.limits), ("requests", whole.requests)):
        for name in figures:
            if not is_pod_level(name):
                errors.append(not_supported(f"{where}.{kind}[{name}]", name, (*POD_LEVEL, HUGEPAGES)))
    return errors or _consistent(spec, where)


def _consistent(spec: PodSpec, where: str) -> list[FieldError]:
    whole = spec.resources
    assert whole is not None
    everyone = (*spec.containers, *spec.init_containers)
    figures = [text for c in everyone for text in (*c.resources.requests.values(), *c.resources.limits.values())]
    if not all(map(quantity.is_valid, figures)):
        return []  # said where they stand
    errors = []
    for name, total in container_requests(spec).items():
        own = whole.requests.get(name)
        if own is not None and total > quantity.value(own):
            detail = f"must be greater than or equal to aggregate container requests of {_text(name, total)}"
            errors.append(invalid(f"{where}.requests[{name}]", own, detail))
    for name, total in container_limits(spec).items():
        own = whole.limits.get(name)
        if name.startswith(HUGEPAGES) and own is not None and total > quantity.value(own):
            detail = f"must be greater than or equal to aggregate container limits of {_text(name, total)}"
            errors.append(invalid(f"{where}.limits[{name}]", own, detail))
    for index, container in enumerate(spec.containers):
        for name, limit in container.resources.limits.items():
            own = whole.limits.get(name)
            if own is not None and quantity.value(limit) > quantity.value(own):
                detail = f"must be less than or equal to pod limits of {own}"
                errors.append(invalid(f"{where}.containers[{index}][{name}].limits", limit, detail))
    return errors


def _text(name: str, amount: Fraction) -> str:
    """A sum in canonical form: binary suffixes where it counts bytes."""
    if name == "cpu":
        return quantity.of_milli(int(amount * 1000))
    return quantity.of_units(int(amount), binary=True)
