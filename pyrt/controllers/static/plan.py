"""What is to be done about static pods: a pure function of what the sources say and what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyrt.controllers.static.identity import HASH, ORIGIN, SOURCE, full_name
from pyrt.kube.pod import Pod
from pyrt.kube.update import MIRROR

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the sources say now."""

    pods: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    """By origin (path or URL)."""
    faulty: frozenset[str] = frozenset()
    """Origins whose present text makes no pod: what they said before holds."""
    unknown: frozenset[str] = frozenset()
    """Kinds of source (``file``, ``http``) that could not be read yet: what is there of them stays."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Pods to make, pods to end gracefully, and what is wrong with the sources' pods (by origin)."""

    create: tuple[Pod, ...] = ()
    end: tuple[Pod, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    waiting: bool = False
    """Something will be made when a pod of its name is gone."""


def is_static(pod: Pod) -> bool:
    """Whether this is a mirror of a static pod."""
    return MIRROR in pod.metadata.annotations


def decide(wanted: Wanted, present: Iterable[Pod]) -> Plan:
    """Compare. A pod whose manifest has changed ends first; the new one is made when the old one is gone.

    Of two manifests for one name the first counts, in the order of their origins.
    """
    errors: dict[str, str] = {}
    chosen: dict[Name, Pod] = {}
    uids: dict[str, Name] = {}
    for origin in sorted(wanted.pods):
        for pod in wanted.pods[origin]:
            name, uid = full_name(pod), pod.metadata.uid
            if name in chosen:
                first = chosen[name].metadata.annotations[ORIGIN]
                errors[origin] = f"metadata.name: pod {'/'.join(name)} is defined in {first} already"
            elif uid in uids:
                errors[origin] = f"metadata.uid: {uid} is that of pod {'/'.join(uids[uid])}"
            else:
                chosen[name], uids[uid] = pod, name
    end: list[Pod] = []
    taken: dict[Name, Pod] = {full_name(pod): pod for pod in present}
    known = {pod.metadata.uid: name for name, pod in taken.items()}
    for name, pod in taken.items():
        if not is_static(pod) or pod.metadata.deletion_timestamp is not None:
            continue
        annotations = pod.metadata.annotations
        kept = annotations.get(ORIGIN) in wanted.faulty or annotations.get(SOURCE) in wanted.unknown
        match = chosen.get(name)
        if match is None:
            if not kept:
                end.append(pod)
        elif any(match.metadata.annotations[key] != annotations.get(key) for key in (HASH, ORIGIN)):
            end.append(pod)
    create: list[Pod] = []
    waiting = bool(end)
    for name, pod in chosen.items():
        other = taken.get(name)
        origin = pod.metadata.annotations[ORIGIN]
        if other is not None:
            waiting = waiting or other.metadata.deletion_timestamp is not None or not is_static(other)
            if not is_static(other):
                errors[origin] = f"metadata.name: pod {'/'.join(name)} exists in the API already"
        elif pod.metadata.uid in known:
            errors[origin] = f"metadata.uid: {pod.metadata.uid} is that of pod {'/'.join(known[pod.metadata.uid])}"
        else:
            create.append(pod)
    return Plan(tuple(create), tuple(end), errors, waiting)
