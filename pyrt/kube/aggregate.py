"""What a whole pod asks for and may use: the sum over its containers, or its own figures where it has them.

The arithmetic of ``k8s.io/component-helpers/resource`` (``PodRequests``, ``PodLimits``). All containers run together,
but an init container runs only beside the sidecars before it; the larger of the two is what the pod needs. Resources of
the pod itself (``spec.resources``, KEP-2837) take the place of the sum, and ``overhead`` comes on top.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from pyrt.kube import quantity
from pyrt.kube.base import ResourceList
from pyrt.kube.container import Container
from pyrt.kube.pod import PodSpec

HUGEPAGES: Final = "hugepages-"
POD_LEVEL: Final = ("cpu", "memory")
"""What ``spec.resources`` may name, beside ``hugepages-*``."""


def is_pod_level(name: str) -> bool:
    """Whether ``spec.resources`` may name the resource."""
    return name in POD_LEVEL or name.startswith(HUGEPAGES)


def container_requests(spec: PodSpec) -> dict[str, Fraction]:
    """What the containers ask for together, by resource."""
    return _aggregate(spec, lambda container: container.resources.requests)


def container_limits(spec: PodSpec) -> dict[str, Fraction]:
    """The sum of the containers' limits; a container without one counts nothing."""
    return _aggregate(spec, lambda container: container.resources.limits)


def pod_requests(spec: PodSpec) -> dict[str, Fraction]:
    """What the pod asks for: cores, bytes, pages' bytes, in exact units."""
    return _whole(spec, container_requests(spec), spec.resources.requests if spec.resources is not None else {})


def pod_limits(spec: PodSpec) -> dict[str, Fraction]:
    """What the pod may use at most, as far as limits are given."""
    return _whole(spec, container_limits(spec), spec.resources.limits if spec.resources is not None else {})


def _whole(spec: PodSpec, total: dict[str, Fraction], own: ResourceList) -> dict[str, Fraction]:
    for name, text in own.items():
        if is_pod_level(name):
            total[name] = quantity.value(text)
    for name, text in spec.overhead.items():
        total[name] = total.get(name, Fraction()) + quantity.value(text)
    return total


def _aggregate(spec: PodSpec, figures: Callable[[Container], ResourceList]) -> dict[str, Fraction]:
    names = {name for container in (*spec.containers, *spec.init_containers) for name in figures(container)}
    return {name: _sum_or_peak(spec, name, figures) for name in sorted(names)}


def _sum_or_peak(spec: PodSpec, name: str, figures: Callable[[Container], ResourceList]) -> Fraction:
    def figure(container: Container) -> Fraction:
        text = figures(container).get(name)
        return quantity.value(text) if text is not None else Fraction()

    running = sum(map(figure, spec.containers), Fraction())
    sidecars = peak = Fraction()
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            sidecars += figure(container)
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + figure(container))
    return max(running + sidecars, peak)
