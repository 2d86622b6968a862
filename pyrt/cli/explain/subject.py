"""What is explained: the Pod of a manifest, or the one that a workload's template would make."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from pyrt.cli.explain import placeholders
from pyrt.cli.explain.templates import TEMPLATES
from pyrt.cli.failure import CliError
from pyrt.cli.manifests import Manifest
from pyrt.client.errors import ApiError, Cause
from pyrt.kube.admission import admit_pod
from pyrt.kube.decode import DecodeError, from_object
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.pod import Pod, PodTemplateSpec
from pyrt.kube.support import check
from pyrt.kube.validation import validate_pod_create

T = TypeVar("T", Pod, PodTemplateSpec)


class Subject(NamedTuple):
    """A defaulted and valid pod."""

    pod: Pod
    warnings: tuple[str, ...]
    origin: str = ""
    """Where it comes from, if it is not the manifest itself."""


def subject_of(manifest: Manifest, namespace: str) -> Subject:
    """The pod that a manifest is about.

    Raises :class:`ApiError`, as the server would answer, for one that is not valid; :class:`CliError` for a kind that
    has no pod.
    """
    kind = (str(manifest.object["apiVersion"]), str(manifest.object["kind"]))
    if kind == ("v1", "Pod"):
        return _checked(_typed(manifest, manifest.object, Pod, ""), manifest, namespace, "")
    path = TEMPLATES.get(kind)
    if path is None:
        raise CliError(
            f"{manifest.source}: only pods, and kinds with a template of pods, can be explained, and this is a "
            f"{kind[1]} of {kind[0]}"
        )
    template = _typed(manifest, _at(manifest, path), PodTemplateSpec, path)
    pod = Pod(metadata=template.metadata, spec=template.spec)
    pod.metadata.name = f"{manifest.name or manifest.object['kind'].lower()}-{placeholders.NAME_END}"
    pod.metadata.namespace = manifest.namespace
    found = _checked(pod, manifest, namespace, path + ".")
    return found._replace(
        origin=f"as the template of {kind[1]} {manifest.name} ({path}) has it; nothing else of the {kind[1]} is looked "
        f"at, and {placeholders.NAME_END!r} stands for the end of the pod's name"
    )


def _at(manifest: Manifest, path: str) -> dict[str, Any]:
    value: Any = manifest.object
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        raise _invalid(manifest, (Cause(path, "Required value", "FieldValueRequired"),))
    return value


def _typed(manifest: Manifest, value: dict[str, Any], to: type[T], path: str) -> T:
    try:
        return from_object(value, to)
    except DecodeError as error:
        version, kind = manifest.object["apiVersion"], manifest.object["kind"]
        where = f"{path}: " if path else ""
        text = f'{kind} in version "{version}" cannot be handled as a {kind}: {where}{error.message}'
        raise ApiError(400, "BadRequest", text).with_source("explaining", manifest.source) from error


def _checked(pod: Pod, manifest: Manifest, namespace: str, prefix: str) -> Subject:
    pod.metadata.namespace = pod.metadata.namespace or namespace
    pod.metadata.uid = pod.metadata.uid or placeholders.UID
    set_pod_defaults(pod)
    findings = check(pod)
    problems = [*validate_pod_create(pod), *findings.refused]
    if problems:
        raise _invalid(
            manifest, tuple(Cause(prefix + problem.field, problem.message, problem.reason) for problem in problems)
        )
    admit_pod(pod)
    return Subject(pod, tuple(prefix + warning for warning in findings.warnings))


def _invalid(manifest: Manifest, causes: tuple[Cause, ...]) -> ApiError:
    kind = manifest.object["kind"]
    return ApiError(422, "Invalid", "", kind=kind, name=manifest.name, causes=causes, has_details=True)
