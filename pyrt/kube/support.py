"""What pyrt does with every field of a pod: honours it, refuses it by name, or accepts it with a warning.

One table: to support a field, delete its line. A field without a line is honoured; a line refuses or warns, for any
value that is set or only for some. The page of the user guide is made from the same table.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from pyrt.kube.admission import EVERY_POD_TOLERATES, PRIORITY_CLASSES
from pyrt.kube.base import KubeStruct
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.field import FieldError, forbidden
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.probes import LifecycleHandler
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.scheduling import Toleration
from pyrt.kube.security import PodSecurityContext, SecurityContext
from pyrt.kube.validation.ephemeral import NOT_FOR_EPHEMERAL
from pyrt.kube.volumes import EmptyDirVolumeSource, Volume, VolumeProjection
from pyrt.kube.volumes_remote import PersistentVolumeClaimSpec
from pyrt.kube.warnings import pod_warnings


class Level(enum.Enum):
    """What happens to a field."""

    HONOURED = "honoured"
    REFUSED = "refused"
    WARNED = "accepted with a warning"


@dataclass(frozen=True, slots=True)
class Support:
    """One line of the table."""

    level: Level
    note: str = "not supported by this version of pyrt"
    only: Callable[[Any], bool] | None = None
    """Which values the line is about; ``None`` for every value that is set."""
    values: str = ""
    """``only`` in words, for the user guide."""


VOLUME_TYPES = (
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "hostPath",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
"""The sources of volumes that are honoured."""

_REFUSED = Support(Level.REFUSED)
_ONE_NODE = Support(Level.WARNED, "has no effect: pyrt has a single node")
_NO_SELINUX = Support(Level.REFUSED, "SELinux labels are not supported: containers are not labelled")
_HOST_PROCESS = Support(Level.REFUSED, "Windows options are not supported: pyrt runs Linux containers")


def _extended(resources: dict[str, str]) -> bool:
    return any("/" in name for name in resources)


_EXTENDED = Support(
    Level.REFUSED, "extended resources are not supported: there are no device plugins", _extended, "extended resources"
)


def _warned(note: str, only: Callable[[Any], bool] | None = None, values: str = "") -> Support:
    return Support(Level.WARNED, note, only, values)


def _tolerates_more(tolerations: list[Toleration]) -> bool:
    return any(t.key not in EVERY_POD_TOLERATES or t.effect != "NoExecute" for t in tolerations)


TABLE: Mapping[type[KubeStruct], Mapping[str, Support]] = {
    PodSpec: {
        "nodeSelector": _ONE_NODE,
        "affinity": _ONE_NODE,
        "topologySpreadConstraints": _ONE_NODE,
        "tolerations": Support(Level.WARNED, _ONE_NODE.note, _tolerates_more, "other than what every pod gets"),
        "schedulerName": _warned(
            "has no effect: pyrt has a single node",
            lambda v: v not in ("", "default-scheduler"),
            "other than default-scheduler",
        ),
        "priorityClassName": _warned(
            "has no effect: pyrt has no other priority classes",
            lambda v: v and v not in PRIORITY_CLASSES,
            "other than system-node-critical and system-cluster-critical",
        ),
        "preemptionPolicy": _warned(
            "has no effect: pods are not preempted", lambda v: v != "PreemptLowerPriority", "Never"
        ),
        "schedulingGroup": _ONE_NODE,
        "serviceAccountName": _warned(
            "has no effect: no service account token is mounted",
            lambda v: v not in ("", "default"),
            "other than default",
        ),
        "automountServiceAccountToken": _warned(
            "has no effect: no service account token is mounted", lambda v: v is True, "true"
        ),
        "runtimeClassName": _REFUSED,
        "overhead": _REFUSED,
        "resourceClaims": _REFUSED,
    },
    Container: {
        "volumeDevices": Support(Level.REFUSED, "block volumes are not supported by pyrt"),
    },
    EphemeralContainer: {
        name: Support(Level.REFUSED, "cannot be set for an Ephemeral Container", lambda v: v != type(v)())
        for name in NOT_FOR_EPHEMERAL
    },
    LifecycleHandler: {"tcpSocket": _warned("is taken for compatibility only: such a hook fails when it is run")},
    ResourceRequirements: {"claims": _REFUSED, "limits": _EXTENDED, "requests": _EXTENDED},
    Volume: {name: _REFUSED for name in Volume.__struct_encode_fields__ if name != "name" and name not in VOLUME_TYPES},
    VolumeProjection: {
        "serviceAccountToken": Support(Level.REFUSED, "not supported: there is no service account to speak for"),
        "clusterTrustBundle": _REFUSED,
        "podCertificate": _REFUSED,
    },
    EmptyDirVolumeSource: {
        "medium": Support(
            Level.REFUSED,
            only=lambda v: v not in ("", "Memory", "HugePages") and not v.startswith("HugePages-"),
            values="other than Memory and HugePages",
        ),
    },
    PersistentVolumeClaimSpec: {
        "dataSource": _REFUSED,
        "dataSourceRef": _REFUSED,
        "volumeMode": Support(
            Level.REFUSED, "block volumes are not supported by pyrt", only=lambda v: v == "Block", values="Block"
        ),
        "volumeAttributesClassName": _REFUSED,
    },
    SecurityContext: {
        "windowsOptions": _HOST_PROCESS,
        "seLinuxOptions": _NO_SELINUX,
    },
    PodSecurityContext: {
        "windowsOptions": _HOST_PROCESS,
        "seLinuxOptions": _NO_SELINUX,
        "seLinuxChangePolicy": _warned("has no effect: volumes are not relabelled"),
    },
}
"""Type to JSON name to line."""


class Findings(NamedTuple):
    """What :func:`check` found."""

    refused: tuple[FieldError, ...]
    warnings: tuple[str, ...]
    """Texts for HTTP ``Warning`` headers: ``spec.nodeSelector: has no effect: ...``."""


def check(pod: Pod) -> Findings:
    """Look for fields of a defaulted pod that are not honoured, and for what is hardly meant.

    A pod for Windows is not looked at: it is never run.
    """
    if pod.spec.os is not None and pod.spec.os.name == "windows":
        return Findings((), ())
    refused: list[FieldError] = []
    warnings: list[str] = []
    _check(pod.spec, "spec", refused, warnings)
    warnings += pod_warnings(pod)
    return Findings(tuple(refused), tuple(warnings))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of a type has to be looked at: lines, and attributes that hold further structs (or lists of them)."""

    lines: tuple[tuple[str, str, Support], ...]
    inner: tuple[tuple[str, str], ...]


@lru_cache(maxsize=256)
def _shape(to: type[KubeStruct]) -> _Shape:
    lines, inner = [], []
    for field in _fields(to):
        line = TABLE.get(to, {}).get(field.encode_name)
        if line is not None:
            lines.append((field.name, field.encode_name, line))
        child = struct_of(field.type)
        if (line is None or line.only is not None) and child is not None and _concerned(child):
            inner.append((field.name, field.encode_name))
    return _Shape(tuple(lines), tuple(inner))


@lru_cache(maxsize=256)
def _concerned(to: type[KubeStruct]) -> bool:
    """Whether the type or one inside it has a line."""
    if TABLE.get(to):
        return True
    return any((child := struct_of(field.type)) is not None and _concerned(child) for field in _fields(to))


def _fields(to: type[KubeStruct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(to)
    assert isinstance(info, inspect.StructType)
    return info.fields


def struct_of(info: inspect.Type) -> type[KubeStruct] | None:
    """The struct behind an optional, a list or a plain field, or ``None``."""
    if isinstance(info, inspect.StructType):
        return info.cls if issubclass(info.cls, KubeStruct) else None
    if isinstance(info, inspect.ListType):
        return struct_of(info.item_type)
    if isinstance(info, inspect.UnionType):
        return next((found for kind in info.types if (found := struct_of(kind)) is not None), None)
    return None


def _is_set(value: object) -> bool:
    if value is None or value is False or isinstance(value, str | list | dict):
        return bool(value)
    return True


def _check(value: KubeStruct, path: str, refused: list[FieldError], warnings: list[str]) -> None:
    shape = _shape(type(value))
    for attribute, name, line in shape.lines:
        found = getattr(value, attribute)
        if not (_is_set(found) if line.only is None else found is not None and line.only(found)):
            continue
        if line.level is Level.REFUSED:
            refused.append(forbidden(f"{path}.{name}", line.note))
        else:
            warnings.append(f"{path}.{name}: {line.note}")
    for attribute, name in shape.inner:
        found = getattr(value, attribute)
        if isinstance(found, list):
            for index, item in enumerate(found):
                _check(item, f"{path}.{name}[{index}]", refused, warnings)
        elif isinstance(found, msgspec.Struct):
            assert isinstance(found, KubeStruct)
            _check(found, f"{path}.{name}", refused, warnings)


def rows(to: type[KubeStruct] = PodSpec, path: str = "spec") -> Iterator[tuple[str, Support]]:
    """Every field of a pod's spec and its line, in the order of the types; what is refused is not looked into."""
    for field in _fields(to):
        where = f"{path}.{field.encode_name}"
        line = TABLE.get(to, {}).get(field.encode_name) or Support(Level.HONOURED, "")
        yield where, line
        child = struct_of(field.type)
        if child is None or (line.level is not Level.HONOURED and line.only is None):
            continue
        is_list = isinstance(field.type, inspect.ListType)
        yield from rows(child, where + ("[]" if is_list else ""))
