"""What goes into a volume that is made from API objects: paths with their content and mode.

The words of the errors are the kubelet's (``pkg/volume/configmap``, ``secret``, ``downwardapi``: MakePayload,
CollectData): they end up in the event that says why a pod waits.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from pyrt.kube import downward
from pyrt.kube.config_map import ConfigMap
from pyrt.kube.encoded import decoded
from pyrt.kube.secret import Secret
from pyrt.kube.volumes import DownwardAPIVolumeFile, KeyToPath
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.types import VolumeContext

DEFAULT_MODE: Final = 0o644


class ProjectedFile(NamedTuple):
    """One file."""

    data: bytes
    mode: int


Payload: TypeAlias = dict[str, ProjectedFile]
"""Relative path to file."""


def config_map(
    name: str, items: Sequence[KeyToPath], mode: int | None, context: VolumeContext, *, optional: bool
) -> Payload:
    """The values of a ConfigMap. Raises VolumeError when it, or a key that ``items`` names, is not there."""
    found = context.references.config_map(context.pod.metadata.namespace, name)
    if found is None:
        if not optional:
            raise VolumeError(f'configmap "{name}" not found')
        found = ConfigMap()
    values = {key: text.encode() for key, text in found.data.items()}
    values |= {key: decoded(text) for key, text in found.binary_data.items()}
    return _selected(values, items, mode, "configmap references non-existent config key", optional=optional)


def secret(
    name: str, items: Sequence[KeyToPath], mode: int | None, context: VolumeContext, *, optional: bool
) -> Payload:
    """The values of a Secret. Raises VolumeError when it, or a key that ``items`` names, is not there."""
    found = context.references.secret(context.pod.metadata.namespace, name)
    if found is None:
        if not optional:
            raise VolumeError(f'secret "{name}" not found')
        found = Secret()
    values = {key: decoded(text) for key, text in found.data.items()}
    return _selected(values, items, mode, "references non-existent secret key", optional=optional)


def _selected(
    values: Mapping[str, bytes], items: Sequence[KeyToPath], mode: int | None, complaint: str, *, optional: bool
) -> Payload:
    default = DEFAULT_MODE if mode is None else mode
    if not items:
        return {key: ProjectedFile(data, default) for key, data in values.items()}
    payload: Payload = {}
    for item in items:
        if item.key in values:
            payload[item.path] = ProjectedFile(values[item.key], default if item.mode is None else item.mode)
        elif not optional:
            raise VolumeError(f"{complaint}: {item.key}")
    return payload


def downward_api(items: Iterable[DownwardAPIVolumeFile], mode: int | None, context: VolumeContext) -> Payload:
    """Facts about the pod. Raises VolumeError for one that does not exist."""
    default = DEFAULT_MODE if mode is None else mode
    payload: Payload = {}
    for item in items:
        payload[posixpath.normpath(item.path)] = ProjectedFile(
            _fact(item, context).encode(), default if item.mode is None else item.mode
        )
    return payload


def _fact(item: DownwardAPIVolumeFile, context: VolumeContext) -> str:
    if item.field_ref is not None:
        value = downward.field_value(context.pod, item.field_ref.field_path)
        if value is None:
            raise VolumeError(f"unsupported fieldPath: {item.field_ref.field_path}")
        return value
    selector = item.resource_field_ref
    if selector is None:
        return ""
    container = downward.find_container(context.pod, selector.container_name)
    if container is None:
        raise VolumeError(f"container {selector.container_name} not found")
    return downward.resource_value(selector, *downward.with_limits(container, context.allocatable))
