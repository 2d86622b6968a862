"""What the node has given to each pod, and whether it has enough for another, or for one that wants more.

A pod is given what its spec asks for when it is admitted. When a resize changes the spec, the pod keeps what it was
given until there is room for the change (kubelet, ``pkg/kubelet/allocation``); meanwhile the two differ, and what was
given is an :class:`Allocation`. A pod that was never resized has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import msgspec

from pyrt.kube.aggregate import pod_requests
from pyrt.kube.container import Container
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.qos import qos_class
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.update import MIRROR
from pyrt.pods.model import Rejection

DEFERRED: Final = "Deferred"
INFEASIBLE: Final = "Infeasible"
CRITICAL: Final = 2_000_000_000
"""Pods of this priority and above (system-cluster-critical) are neither evicted nor refused under pressure."""


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod that has been resized was given last. Stored, by the pod's uid."""

    generation: int
    """Of the pod's spec that it was taken from."""
    containers: dict[str, ResourceRequirements]
    """By name; without init containers that end, which cannot be resized."""
    pod: ResourceRequirements | None = None
    done: bool = True
    """Whether the cgroups have it and that was told."""


def allocation_of(pod: Pod, *, done: bool) -> Allocation:
    """What the spec asks for, as an allocation."""
    spec = pod.spec
    resizable = [*spec.containers, *(c for c in spec.init_containers if c.restart_policy == "Always")]
    return Allocation(
        generation=pod.metadata.generation,
        containers={c.name: c.resources for c in resizable},
        pod=spec.resources,
        done=done,
    )


def allocated_spec(spec: PodSpec, allocation: Allocation) -> PodSpec:
    """The spec with the resources that were given instead of those that are wanted."""

    def given(containers: list[Container]) -> list[Container]:
        return [
            msgspec.structs.replace(c, resources=allocation.containers.get(c.name, c.resources)) for c in containers
        ]

    return msgspec.structs.replace(
        spec,
        resources=allocation.pod,
        containers=given(spec.containers),
        init_containers=given(spec.init_containers),
    )


def same_resources(one: PodSpec, other: PodSpec) -> bool:
    """Whether two specs of one pod ask for the same."""
    return one.resources == other.resources and all(
        a.resources == b.resources
        for a, b in zip(
            (*one.containers, *one.init_containers), (*other.containers, *other.init_containers), strict=False
        )
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests of a pod, or of many."""

    milli_cpu: int = 0
    memory: int = 0
    """Bytes."""
    storage: int = 0
    """Bytes, ``ephemeral-storage``."""
    hugepages: tuple[tuple[str, int], ...] = ()
    """(``hugepages-2Mi``, bytes), by name."""


def demand_of(spec: PodSpec) -> Demand:
    """What a pod asks the node for."""
    whole = pod_requests(spec)
    if not whole:
        return Demand()
    pages = tuple((name, _units(whole[name])) for name in sorted(whole) if name.startswith("hugepages-"))
    return Demand(
        milli_cpu=_units(whole.get("cpu", Fraction()) * 1000),
        memory=_units(whole.get("memory", Fraction())),
        storage=_units(whole.get("ephemeral-storage", Fraction())),
        hugepages=pages,
    )


def _units(amount: Fraction) -> int:
    return -int(-amount // 1)


def total(demands: Iterable[Demand]) -> Demand:
    """The sum."""
    cpu = memory = storage = 0
    pages: dict[str, int] = {}
    for demand in demands:
        cpu += demand.milli_cpu
        memory += demand.memory
        storage += demand.storage
        for name, size in demand.hugepages:
            pages[name] = pages.get(name, 0) + size
    return Demand(cpu, memory, storage, tuple(sorted(pages.items())))


@dataclass(frozen=True, slots=True)
class Allocatable:
    """What the node has for pods."""

    demand: Demand
    pods: int
    """How many there may be."""


UNLIMITED: Final = Allocatable(Demand(1 << 62, 1 << 62, 1 << 62), 1 << 62)
"""More than there is."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """What there is not enough of: cpu in thousandths of a core, the rest in units."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def never(self) -> bool:
        """Whether there would not be enough even without all other pods."""
        return self.requested > self.capacity


def shortage(wanted: Demand, used: Demand, count: int, node: Allocatable) -> Shortage | None:
    """The first thing that a pod beside ``count`` others, which use ``used``, finds too little of.

    In the order of the scheduler's NodeResourcesFit (``fitsRequest``), whose verdict the kubelet repeats.
    """
    if count + 1 > node.pods:
        return Shortage("pods", 1, count, node.pods)
    have, pages_used, pages = node.demand, dict(used.hugepages), dict(node.demand.hugepages)
    for name, request, taken, capacity in (
        ("cpu", wanted.milli_cpu, used.milli_cpu, have.milli_cpu),
        ("memory", wanted.memory, used.memory, have.memory),
        ("ephemeral-storage", wanted.storage, used.storage, have.storage),
        *((name, size, pages_used.get(name, 0), pages.get(name, 0)) for name, size in wanted.hugepages),
    ):
        if request and request > capacity - taken:
            return Shortage(name, request, taken, capacity)
    return None


def refusal(found: Shortage) -> Rejection:
    """How a new pod is refused (``pkg/kubelet/lifecycle/predicate.go``)."""
    return Rejection(f"OutOf{found.resource}", _not_enough(found))


def _not_enough(found: Shortage) -> str:
    return (
        f"Node didn't have enough resource: {found.resource}, requested: {found.requested}, "
        f"used: {found.used}, capacity: {found.capacity}"
    )


def postponement(found: Shortage) -> Rejection:
    """How a resize is put off, or refused because it could never be."""
    if found.never:
        text = (
            f"Node didn't have enough capacity: {found.resource}, requested: {found.requested}, "
            f"capacity: {found.capacity}"
        )
        return Rejection(INFEASIBLE, text)
    return Rejection(DEFERRED, _not_enough(found))


def grows(before: Demand, after: Demand) -> bool:
    """Whether a resize asks the node for more of anything."""
    return after.milli_cpu > before.milli_cpu or after.memory > before.memory


def turn(pod: Pod, *, growing: bool, since: str) -> tuple[bool, int, bool, str]:
    """Whose resize is looked at first: what asks for no more, then by priority, class, and time of waiting.

    ``since`` is when the resize was put off (RFC 3339). A sort key; after ``sortPendingResizes`` of the kubelet.
    """
    return growing, -(pod.spec.priority or 0), qos_class(pod) != "Guaranteed", since or "~"


def is_critical(pod: Pod) -> bool:
    """Static pods, and pods of the highest priorities (``kubelettypes.IsCriticalPod``).

    Nobody can give a pod the annotation of a mirror through the API; any other could be forged to be spared.
    """
    return (pod.spec.priority or 0) >= CRITICAL or MIRROR in pod.metadata.annotations
