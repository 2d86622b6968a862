"""Rules of ephemeral containers (``validateEphemeralContainers``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyrt.kube.container import EphemeralContainer
from pyrt.kube.field import FieldError, duplicate, forbidden, not_found
from pyrt.kube.pod import PodSpec
from pyrt.kube.validation.containers import validate_container_common
from pyrt.kube.volumes import Volume

_DETAIL: Final = "cannot be set for an Ephemeral Container"
NOT_FOR_EPHEMERAL: Final = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
"""What belongs to the pod's own work, and not to a visit."""


def validate_ephemeral_containers(spec: PodSpec, volumes: Mapping[str, Volume], path: str) -> list[FieldError]:
    """``spec.ephemeralContainers``."""
    errors: list[FieldError] = []
    others = {container.name for container in (*spec.containers, *spec.init_containers)}
    taken = set(others)
    for index, container in enumerate(spec.ephemeral_containers):
        where = f"{path}.ephemeralContainers[{index}]"
        errors += validate_container_common(container, spec, volumes, where)
        if container.name in taken:
            errors.append(duplicate(f"{where}.name", container.name))
        taken.add(container.name)
        target = container.target_container_name
        if target and target not in others:
            errors.append(not_found(f"{where}.targetContainerName", target))
        errors += _unfit(container, where)
    return errors


def _unfit(container: EphemeralContainer, path: str) -> list[FieldError]:
    attributes = dict(zip(container.__struct_encode_fields__, container.__struct_fields__, strict=True))
    blank = EphemeralContainer()
    errors = [
        forbidden(f"{path}.{name}", _DETAIL)
        for name in NOT_FOR_EPHEMERAL
        if getattr(container, attributes[name]) != getattr(blank, attributes[name])
    ]
    for index, mount in enumerate(container.volume_mounts):
        for name, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
            if value:
                errors.append(forbidden(f"{path}.volumeMounts[{index}].{name}", _DETAIL))
    return errors
