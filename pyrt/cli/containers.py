"""Which container of a pod is meant."""

from __future__ import annotations

from typing import Any

from pyrt.cli.failure import CliError, warn

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
"""The annotation that names a pod's default container."""

Object = dict[str, Any]


def names(pod: Object) -> tuple[list[str], list[str], list[str]]:
    """Names of the containers, the init containers and the ephemeral containers."""
    spec = pod.get("spec") or {}
    regular, init, ephemeral = (
        [container["name"] for container in spec.get(field) or ()]
        for field in ("containers", "initContainers", "ephemeralContainers")
    )
    return regular, init, ephemeral


def choose(pod: Object, wanted: str, *, quiet: bool = False) -> str:
    """``wanted`` if the pod has it; without a wish the default one, said on stderr when there were others.

    Raises :class:`CliError`.
    """
    regular, init, ephemeral = names(pod)
    if wanted:
        if wanted not in {*regular, *init, *ephemeral}:
            raise CliError(f"container {wanted} not found in pod {pod['metadata']['name']}")
        return wanted
    annotated = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    if annotated and annotated in {*regular, *init, *ephemeral}:
        return str(annotated)
    if not regular:
        raise CliError(f"pod {pod['metadata']['name']} has no containers")
    if len(regular) + len(init) + len(ephemeral) > 1 and not quiet:
        everyone = [*regular, *(f"{name} (ephem)" for name in ephemeral), *(f"{name} (init)" for name in init)]
        warn(f'Defaulted container "{regular[0]}" out of: {", ".join(everyone)}')
    return regular[0]


def spec_of(pod: Object, name: str) -> Object:
    """A container's part of the spec."""
    spec = pod.get("spec") or {}
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            if container["name"] == name:
                found: Object = container
                return found
    raise CliError(f"container {name} not found in pod {pod['metadata']['name']}")
