"""An explanation for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pyrt.cli.explain.model import CgroupPart, ContainerPart, Explanation, VolumePart
from pyrt.cli.explain.placeholders import SANDBOX, UID


def render(explanation: Explanation) -> str:
    """The text, in sections."""
    return "".join(line.rstrip() + "\n" for line in _lines(explanation))


def _lines(pod: Explanation) -> Iterator[str]:
    yield f"Pod {pod.namespace}/{pod.name} ({pod.qos_class})"
    if pod.origin:
        yield f"  {pod.origin}"
    for warning in pod.warnings:
        yield f"  Warning: {warning}"
    yield f"  Ids are given when it is made; here {UID} stands for its uid, {SANDBOX!r} for its sandbox,"
    yield "  and a container's name for its id."
    yield ""
    yield "Images"
    for image in pod.images:
        yield f"  {image.asked} -> {image.canonical}"
        yield f"    from {image.source}, pull policy {image.policy}; {LOCAL[image.local]}"
    yield ""
    yield "Sandbox"
    yield f"  hostname {pod.sandbox.hostname}"
    for text in pod.sandbox.namespaces:
        yield f"  namespace {text}"
    for path, text in pod.sandbox.files.items():
        yield f"  {path}"
        yield from _indented(text.splitlines(), 4)
    yield "  Plan, played by the pod process on itself"
    yield from _numbered(pod.sandbox.plan)
    yield ""
    yield "Addresses"
    if pod.addresses:
        yield "  allocated when the sandbox is made; here the first of each range, for example"
        yield from _indented(pod.addresses, 2)
    else:
        yield "  those of the host (hostNetwork)"
    yield ""
    yield "Cgroups"
    yield from _cgroup(pod.cgroup)
    yield ""
    yield "nftables"
    yield from _indented(pod.nftables or ("nothing for this pod: it publishes no ports",), 2)
    yield ""
    yield "Volumes"
    yield from _indented([line for volume in pod.volumes for line in _volume(volume)] or ["none"], 2)
    for text in pod.unknown:
        yield f"  {text}: nobody knows it; what is made of it stands as a placeholder"
    for container in pod.containers:
        yield ""
        yield from _container(container)


def _volume(volume: VolumePart) -> Iterator[str]:
    yield f"{volume.kind} {volume.name}: {volume.path}" + (", read-only" if volume.read_only else "")
    for file in volume.files:
        yield f"  {file}"


LOCAL = {
    True: "on this machine",
    False: "not on this machine: it will be pulled",
    None: "whether it is on this machine is not known, as no daemon answers",
}


def _container(container: ContainerPart) -> Iterator[str]:
    yield f"{container.kind.capitalize()} {container.name}"
    yield f"  image {container.image}"
    yield f"  command {shlex.join(container.command)}"
    yield f"  log {container.log}"
    for text in container.unknown:
        yield f"  not known yet: {text}"
    for text in container.warnings:
        yield f"  Warning: {text}"
    yield "  Cgroup"
    yield from _indented(list(_cgroup(container.cgroup)), 2)
    yield "  Plan"
    yield from _numbered(container.plan)


def _cgroup(part: CgroupPart) -> Iterator[str]:
    for directory in part.directories:
        yield f"  mkdir {directory}"
    for text in part.files:
        yield f"  {text}"


def _numbered(lines: tuple[str, ...]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"    {number:>3}  {line}"


def _indented(lines: tuple[str, ...] | list[str], depth: int) -> Iterator[str]:
    for line in lines:
        yield " " * depth + line
