"""Pods: decoded, defaulted and validated by :mod:`pyrt.kube`, run by the supervisor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from pyrt.api.decoding import decode_body, expect_v1, refuse
from pyrt.api.errors import forbidden
from pyrt.api.kinds.mirrors import is_mirror, refuse_mirror
from pyrt.api.kinds.pod_table import COLUMNS, cells
from pyrt.api.resources import ALL_VERBS, Resource, Strategy, Subresource, WriteContext
from pyrt.kube.admission import admit_pod
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.field import FieldError
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import PodStatus
from pyrt.kube.qos import qos_class
from pyrt.kube.response import DeleteOptions, Status
from pyrt.kube.support import check
from pyrt.kube.update import MIRROR, validate_pod_update
from pyrt.kube.validation import validate_pod_create
from pyrt.pods.supervisor import Supervisor
from pyrt.store import StoredObject

_decoder: Final = msgspec.json.Decoder(Pod)
_encode: Final = msgspec.json.Encoder().encode


class PodStrategy(Strategy[Pod]):
    """Creates, updates and deletes through the supervisor."""

    owns_generation = True

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.delete = self._delete

    def decode(self, body: bytes, context: WriteContext) -> Pod:
        """See :class:`Strategy`."""
        pod = decode_body(body, Pod, context)
        expect_v1(pod.api_version, pod.kind, "Pod")
        return pod

    def load(self, item: StoredObject) -> Pod:
        """See :class:`Strategy`."""
        return _decoder.decode(item.data)

    def encode(self, value: Pod) -> bytes:
        """See :class:`Strategy`."""
        return _encode(value)

    def prepare_create(self, value: Pod, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        if MIRROR in value.metadata.annotations:
            raise forbidden("pods", value.metadata.name, "mirror pods are made by this node for its static pods only")
        set_pod_defaults(value)
        admit_pod(value)
        value.metadata.generation = 1
        node = self._supervisor.facts.name
        if value.spec.node_name not in ("", node):
            context.warnings.append(f"spec.nodeName: there is one node here, {node}")
        _refuse(value, validate_pod_create(value))
        findings = check(value)
        _refuse(value, findings.refused)
        context.warnings.extend(findings.warnings)
        value.spec.node_name = node
        value.status = PodStatus(phase="Pending", qos_class=qos_class(value))

    def prepare_update(self, value: Pod, old: Pod, context: WriteContext) -> None:
        """See :class:`Strategy`."""
        refuse_mirror(old.metadata, "updated")
        value.status = old.status
        set_pod_defaults(value)
        admit_pod(value)
        _refuse(value, validate_pod_update(value, old))
        generation = old.metadata.generation + (value.spec != old.spec)
        value.metadata.generation = max(value.metadata.generation, generation)

    def created(self, value: Pod, item: StoredObject) -> None:
        """See :class:`Strategy`."""
        self._supervisor.created(value)

    def updated(self, value: Pod, item: StoredObject) -> None:
        """See :class:`Strategy`."""
        self._supervisor.updated(value)

    async def _delete(self, item: StoredObject, options: DeleteOptions, context: WriteContext) -> StoredObject | Status:
        if is_mirror(item):
            refuse_mirror(self.load(item).metadata, "deleted")
        grace = options.grace_period_seconds
        if grace is not None and grace < 0:
            grace = 1  # what the API server makes of it
        remaining = self._supervisor.delete(item, grace)
        return remaining if remaining is not None else item


def _refuse(pod: Pod, errors: Sequence[FieldError]) -> None:
    refuse("Pod", pod.metadata.name, errors)


def pods(strategy: PodStrategy, parts: Mapping[str, PodStrategy]) -> Resource:
    """``v1 Pod``; ``parts`` are the strategies of the subresources that can be written."""
    return Resource(
        plural="pods",
        singular="pod",
        kind="Pod",
        verbs=ALL_VERBS,
        strategy=strategy,
        short_names=("po",),
        categories=("all",),
        subresources=(
            Subresource("attach", "PodAttachOptions", ("create", "get")),
            Subresource("exec", "PodExecOptions", ("create", "get")),
            Subresource("log", "Pod", ("get",)),
            Subresource("portforward", "PodPortForwardOptions", ("create", "get")),
            *(Subresource(name, "Pod", ("get", "patch", "update"), strategy=part) for name, part in parts.items()),
        ),
        fields={
            "spec.nodeName": ("spec", "nodeName"),
            "spec.restartPolicy": ("spec", "restartPolicy"),
            "spec.schedulerName": ("spec", "schedulerName"),
            "spec.serviceAccountName": ("spec", "serviceAccountName"),
            "spec.hostNetwork": ("spec", "hostNetwork"),
            "status.phase": ("status", "phase"),
            "status.podIP": ("status", "podIP"),
            "status.nominatedNodeName": ("status", "nominatedNodeName"),
        },
        type=Pod,
        columns=COLUMNS,
        cells=cells,
    )
