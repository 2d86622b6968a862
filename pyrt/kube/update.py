"""What may change in a pod that exists (``ValidatePodUpdate``): images, the deadline, more tolerations, fewer gates."""

from __future__ import annotations

import msgspec

from pyrt.kube import names
from pyrt.kube.container import Container
from pyrt.kube.diff import unified
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid
from pyrt.kube.gated import validate_gated_update, with_node_affinity_of
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
MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a static pod's picture in the API."""
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_IMMUTABLE = "field is immutable"


def validate_pod_update(new: Pod, old: Pod) -> list[FieldError]:
    """Every rule that replacing ``old`` by ``new`` breaks; both are defaulted. Statuses are not compared."""
    errors = validate_metadata_update(new.metadata, old.metadata) + validate_pod(new)
    errors += validate_pod_annotations_update(new.metadata, old.metadata)
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


def validate_pod_annotations_update(new: ObjectMeta, old: ObjectMeta) -> list[FieldError]:
    """Annotations that only the system writes, or that mean fields which cannot change."""
    errors: list[FieldError] = []
    for key in sorted({*new.annotations, *old.annotations}):
        if new.annotations.get(key) == old.annotations.get(key):
            continue
        verb = "remove or update" if key in old.annotations else "add"
        if key.startswith(_APP_ARMOR):
            errors.append(forbidden(f"metadata.annotations[{key}]", f"may not {verb} AppArmor annotations"))
        if key == MIRROR:
            errors.append(forbidden(f"metadata.annotations[{key}]", f"may not {verb} mirror pod annotation"))
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
    errors: list[FieldError] = []
    if old.scheduling_gates:
        errors += validate_gated_update(new, old)
        munged.node_selector = old.node_selector
        munged.affinity = with_node_affinity_of(munged.affinity, old.affinity)
    if munged == old:
        return errors
    fields = ",".join(MUTABLE)
    return [
        *errors,
        forbidden("spec", f"pod updates may not change fields other than {fields}\n{unified(old, munged)}"),
    ]
