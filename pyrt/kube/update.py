"""What may change in a pod that exists (``ValidatePodUpdate``): images, the deadline, more tolerations, fewer gates."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pyrt.kube import names
from pyrt.kube.container import Container
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.scheduling import Toleration
from pyrt.kube.validation import validate_pod

MUTABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
_IMMUTABLE = "field is immutable"


def validate_pod_update(new: Pod, old: Pod) -> list[FieldError]:
    """Every rule that replacing ``old`` by ``new`` breaks; both are defaulted. Statuses are not compared."""
    errors = validate_metadata_update(new.metadata, old.metadata) + validate_pod(new)
    for name, after, before in (
        ("containers", new.spec.containers, old.spec.containers),
        ("initContainers", new.spec.init_containers, old.spec.init_containers),
    ):
        if len(after) != len(before):
            errors.append(forbidden(f"spec.{name}", "pod updates may not add or remove containers"))
            return errors
    errors += _deadline(new.spec.active_deadline_seconds, old.spec.active_deadline_seconds)
    errors += _tolerations(new.spec.tolerations, old.spec.tolerations)
    gates = {gate.name for gate in old.spec.scheduling_gates}
    errors += [
        forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.name}'",
        )
        for index, gate in enumerate(new.spec.scheduling_gates)
        if gate.name not in gates
    ]
    if new.spec != old.spec:
        errors += _rest(new.spec, old.spec)
    return errors


def validate_metadata_update(new: ObjectMeta, old: ObjectMeta) -> list[FieldError]:
    """What of an object's metadata may not change (``ValidateObjectMetaUpdate``)."""
    errors: list[FieldError] = []
    if old.deletion_timestamp is not None:
        extra = sorted(set(new.finalizers) - set(old.finalizers))
        if extra:
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
            listed = "{" + ", ".join(f'"{name}"' for name in extra) + "}"
            errors.append(forbidden("metadata.finalizers", f"{detail} []string{listed}"))
    if new.generation and new.generation < old.generation:
        errors.append(invalid("metadata.generation", new.generation, "must not be decremented"))
    # What a client leaves out is taken over from the stored object.
    for name, after, before in (
        ("name", new.name, old.name),
        ("namespace", new.namespace, old.namespace),
        ("uid", new.uid, old.uid),
        ("creationTimestamp", new.creation_timestamp, old.creation_timestamp),
        ("deletionTimestamp", new.deletion_timestamp, old.deletion_timestamp),
        ("deletionGracePeriodSeconds", new.deletion_grace_period_seconds, old.deletion_grace_period_seconds),
    ):
        if after not in (None, "", before):
            errors.append(invalid(f"metadata.{name}", after, _IMMUTABLE))
    return errors


def _deadline(new: int | None, old: int | None) -> list[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            return [invalid(path, None, "must not update from a positive integer to nil value")]
        return []
    if old is not None and new > old:
        return [invalid(path, new, "must be less than or equal to previous value")]
    return each_invalid(path, new, names.in_range(new, 0, 2**31 - 1))


def _tolerations(new: list[Toleration], old: list[Toleration]) -> list[FieldError]:
    def key(toleration: Toleration) -> tuple[str, str, str, str]:
        return toleration.key, toleration.operator, toleration.value, toleration.effect

    kept = {key(toleration) for toleration in new}
    if all(key(toleration) in kept for toleration in old):
        return []
    return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]


def _images(new: list[Container], old: list[Container]) -> list[Container]:
    """``new`` with the images of ``old``."""
    return [msgspec.structs.replace(n, image=o.image) for n, o in zip(new, old, strict=True)]


def _rest(new: PodSpec, old: PodSpec) -> list[FieldError]:
    grace = new.termination_grace_period_seconds
    was_negative = old.termination_grace_period_seconds is not None and old.termination_grace_period_seconds < 0
    munged = msgspec.structs.replace(
        new,
        containers=_images(new.containers, old.containers),
        init_containers=_images(new.init_containers, old.init_containers),
        active_deadline_seconds=old.active_deadline_seconds,
        tolerations=old.tolerations,
        scheduling_gates=old.scheduling_gates,
        termination_grace_period_seconds=(
            old.termination_grace_period_seconds if was_negative and grace == 1 else grace
        ),
    )
    if old.scheduling_gates:
        munged.node_selector, munged.affinity = old.node_selector, old.affinity
    if munged == old:
        return []
    changes = "\n".join(differences(msgspec.to_builtins(old), msgspec.to_builtins(munged), "spec"))
    return [forbidden("spec", f"pod updates may not change fields other than {','.join(MUTABLE)}\n{changes}")]


def differences(old: object, new: object, path: str) -> Iterator[str]:
    """What differs between two plain values, a line each: ``- path: before`` and ``+ path: after``."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{path}[{index}]")
    else:
        if old is not None:
            yield f"- {path}: {msgspec.json.encode(old).decode()}"
        if new is not None:
            yield f"+ {path}: {msgspec.json.encode(new).decode()}"
