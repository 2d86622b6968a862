"""The quality-of-service class of a pod: who is killed first when memory is short."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pyrt.kube import quantity
from pyrt.kube.base import ResourceList
from pyrt.kube.pod import Pod

QosClass: TypeAlias = Literal["Guaranteed", "Burstable", "BestEffort"]

_COUNTED = ("cpu", "memory")


def qos_class(pod: Pod) -> QosClass:
    """Guaranteed: every container limits cpu and memory and asks for as much. BestEffort: none asks for anything.

    Resources of the pod itself win over those of its containers. Assumes defaulted objects: a request that is absent
    beside a limit has been filled in.
    """
    spec = pod.spec
    if spec.resources is not None and (_figures(spec.resources.limits) or _figures(spec.resources.requests)):
        return _class([(spec.resources.requests, spec.resources.limits)])
    return _class([(c.resources.requests, c.resources.limits) for c in (*spec.containers, *spec.init_containers)])


def _figures(resources: ResourceList) -> dict[str, str]:
    return {name: text for name, text in resources.items() if name in _COUNTED and quantity.value(text) > 0}


def _class(all_resources: list[tuple[ResourceList, ResourceList]]) -> QosClass:
    guaranteed, any_set = True, False
    for requests, limits in all_resources:
        if not requests and not limits:
            guaranteed = False
            continue
        wanted, allowed = _figures(requests), _figures(limits)
        any_set = any_set or bool(wanted) or bool(allowed)
        guaranteed = guaranteed and all(
            name in allowed and quantity.value(wanted.get(name, allowed[name])) == quantity.value(allowed[name])
            for name in _COUNTED
        )
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
