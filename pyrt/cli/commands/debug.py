"""``pyrt debug``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pyrt.cli.command import AFTER_DASH, Command
from pyrt.cli.commands.exec import terminal_or_not
from pyrt.cli.debugging.manifests import Copying, Visit, guest, node_pod, pod_copy
from pyrt.cli.debugging.profiles import PROFILES
from pyrt.cli.failure import CliError, warn
from pyrt.cli.options import complete_pods
from pyrt.cli.remote import open_attach
from pyrt.cli.session import Session
from pyrt.cli.streaming import interact
from pyrt.cli.targets import pod_name
from pyrt.cli.waiting import until
from pyrt.client.api import STRATEGIC_PATCH
from pyrt.client.errors import ApiError
from pyrt.client.resources import NODE, POD

EXAMPLES = """
# A shell beside the processes of container app of pod web, with tools that web's image does not have
pyrt debug -it web --image=busybox --target=app

# The same with a name for the container, and an argument vector of its own
pyrt debug web --image=tools -c tools -- tcpdump -n -i eth0

# A copy of web with a shell in it, so that web itself is left alone
pyrt debug web -it --image=busybox --copy-to=web-debug

# A copy of web whose container app runs another command
pyrt debug web -it --copy-to=web-debug -c app -- sh

# A copy of web with other images
pyrt debug web --copy-to=web-debug --set-image='*=busybox'

# A shell in the namespaces of this machine, whose files are at /host
pyrt debug -it node/NODE --image=busybox
"""
LEGACY = (
    "--profile=legacy is deprecated and planned to be removed in v1.39. It is recommended to specify other profile, "
    'for example "--profile=general".'
)

Object = dict[str, Any]


@click.command(
    cls=Command,
    name="debug",
    examples=EXAMPLES,
    arguments="(POD | node/NODE) [-- COMMAND [args...]]",
    keep_dash=True,
)
@click.argument("target_name", metavar="POD", required=False, default="", shell_complete=complete_pods)
@click.option("--image", default="", metavar="IMAGE", help="Image of the debugging container.")
@click.option("-c", "--container", "name", default="", metavar="NAME", help="Name of the debugging container.")
@click.option("--target", default="", metavar="CONTAINER", help="Join the PID namespace of this container.")
@click.option("-i", "--stdin", is_flag=True, help="Keep stdin open on the container, and attach.")
@click.option("-t", "--tty", is_flag=True, help="Allocate a TTY for the container.")
@click.option("--attach", is_flag=True, default=None, help="Wait for the container, and attach (the default with -i).")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Environment variables to set in the container.")
@click.option("--arguments-only", is_flag=True, help="What stands after -- are the arguments, not the command.")
@click.option("--image-pull-policy", default="", metavar="POLICY", help="Always, IfNotPresent or Never.")
@click.option("--profile", default="general", metavar="NAME", help=f"One of {', '.join(PROFILES)}.")
@click.option("--custom", default="", metavar="FILE", help="A partial container (JSON, YAML) to change the profile by.")
@click.option("--copy-to", default="", metavar="NAME", help="Debug a copy of the pod with this name.")
@click.option("--replace", is_flag=True, help="With --copy-to: delete the original pod.")
@click.option("--same-node", is_flag=True, help="With --copy-to: keep the node's name.")
@click.option("--set-image", multiple=True, metavar="NAME=IMAGE", help="With --copy-to: other images; * is every one.")
@click.option("--share-processes", is_flag=True, default=None, help="With --copy-to: one PID namespace (default true).")
@click.option("--keep-labels", is_flag=True, help="With --copy-to: keep the labels.")
@click.option("--keep-annotations", is_flag=True, help="With --copy-to: keep the annotations.")
@click.option("--keep-liveness", is_flag=True, help="With --copy-to: keep liveness probes.")
@click.option("--keep-readiness", is_flag=True, help="With --copy-to: keep readiness probes.")
@click.option("--keep-startup", is_flag=True, help="With --copy-to: keep startup probes.")
@click.option("--keep-init-containers", is_flag=True, default=True, help="With --copy-to: run the init containers.")
@click.option("-q", "--quiet", is_flag=True, help="Suppress informational messages.")
@click.pass_context
def command(ctx: click.Context, /, target_name: str, **flags: Any) -> None:
    """Create debugging sessions for pods and for this machine.

    A pod that runs gets an ephemeral container, which shares its network and volumes and ends with it; with --copy-to
    a copy of the pod is made; for a node, a pod in the node's own namespaces.
    """
    session: Session = ctx.obj
    flags["words"] = tuple(ctx.meta.get(AFTER_DASH) or ())
    _check(target_name, flags)
    visit = _visit(flags)
    attach = flags["stdin"] if flags["attach"] is None else flags["attach"]
    kind, slash, rest = target_name.partition("/")
    if slash and NODE.answers_to(kind):
        pod, container = _node(session, rest, visit, flags["quiet"])
    elif flags["copy_to"]:
        pod, container = _copy(session, pod_name(target_name), visit, flags)
    else:
        pod, container = _guest(session, pod_name(target_name), visit, flags["quiet"])
    if attach and container:
        _attach(session, pod, container, flags)


def _check(target: str, flags: dict[str, Any]) -> None:
    image, words, images = flags["image"], flags["words"], flags["set_image"]
    problem = ""
    if flags["attach"] and not image and not flags["name"]:
        problem = "you must specify --container or create a new container using --image in order to attach."
    elif flags["copy_to"] and not (image or images or words):
        problem = "you must specify --image, --set-image or command arguments."
    elif flags["copy_to"] and words and not (flags["name"] or image):
        problem = "you must specify an existing container or a new image when specifying args."
    elif flags["copy_to"] and flags["target"]:
        problem = "--target is incompatible with --copy-to. Use --share-processes instead."
    elif not flags["copy_to"]:
        for flag in ("replace", "same_node", "set_image"):
            if flags[flag]:
                problem = problem or f"--{flag.replace('_', '-')} may only be used with --copy-to."
        if not image:
            problem = problem or "you must specify --image when not using --copy-to."
    if not problem and not target:
        problem = "NAME or filename is required for debug"
    if not problem and flags["image_pull_policy"] not in {"", "Always", "IfNotPresent", "Never"}:
        problem = f"invalid image pull policy: {flags['image_pull_policy']}"
    if not problem and flags["tty"] and not flags["stdin"]:
        problem = "-i/--stdin is required for containers with -t/--tty=true"
    if not problem and flags["profile"] not in PROFILES:
        problem = f"unknown profile: {flags['profile']}"
    if problem:
        raise CliError(problem)
    if flags["profile"] == "legacy":
        warn(LEGACY)


def _visit(flags: dict[str, Any]) -> Visit:
    return Visit(
        image=flags["image"],
        name=flags["name"],
        words=flags["words"],
        as_args=flags["arguments_only"],
        env=tuple(_pair(part, "env") for text in flags["env"] for part in text.split(",")),
        pull_policy=flags["image_pull_policy"],
        stdin=flags["stdin"],
        tty=flags["tty"],
        target=flags["target"],
        profile=flags["profile"],
        custom=_custom(flags["custom"]) if flags["custom"] else None,
    )


def _pair(text: str, flag: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise CliError(f'invalid argument "{text}" for "--{flag}" flag: {text} must be formatted as key=value')
    return key, value


def _custom(path: str) -> Object:
    from pyrt.kube.manifest import ManifestError, load_value

    try:
        value = load_value(Path(path).read_bytes())
    except ManifestError as error:
        raise CliError(f"{path} does not contain a valid container spec: {error}") from error
    if not isinstance(value, dict):
        raise CliError(f"{path} does not contain a valid container spec")
    return value


def _guest(session: Session, name: str, visit: Visit, quiet: bool) -> tuple[Object, str]:
    path = POD.path(session.namespace, name)
    if visit.target and not quiet:
        sys.stdout.write(
            f'Targeting container "{visit.target}". Its processes are visible in the debugging container.\n'
        )
    pod = session.api.get(path)
    container = guest(pod, visit)
    if not visit.name and not quiet:
        sys.stdout.write(f"Defaulting debug container name to {container['name']}.\n")
    sys.stdout.flush()
    patch = {"spec": {"ephemeralContainers": [container]}}
    query = {"fieldManager": "kubectl-debug", "fieldValidation": "Strict"}
    changed = session.api.call("PATCH", f"{path}/ephemeralcontainers", query, body=patch, content_type=STRATEGIC_PATCH)
    return changed, container["name"]


def _copy(session: Session, name: str, visit: Visit, flags: dict[str, Any]) -> tuple[Object, str]:
    copying = Copying(
        name=flags["copy_to"],
        images=dict(_pair(part, "set-image") for text in flags["set_image"] for part in text.split(",")),
        share_processes=flags["share_processes"],
        same_node=flags["same_node"],
        **{f"keep_{what}": flags[f"keep_{what}"] for what in _KEPT},
    )
    pod = session.api.get(POD.path(session.namespace, name))
    made, container = pod_copy(pod, visit, copying)
    if container and container != visit.name and not flags["quiet"]:
        sys.stdout.write(f"Defaulting debug container name to {container}.\n")
        sys.stdout.flush()
    created = _create(session, made)
    if flags["replace"]:
        session.api.call("DELETE", POD.path(session.namespace, name), {"gracePeriodSeconds": 0})
    return created, container


_KEPT = ("labels", "annotations", "liveness", "readiness", "startup", "init_containers")


def _node(session: Session, name: str, visit: Visit, quiet: bool) -> tuple[Object, str]:
    session.api.get(NODE.path(None, name))  # says so if there is none of that name
    made = node_pod(name, visit)
    container = made["spec"]["containers"][0]["name"]
    if not quiet:
        sys.stdout.write(
            f"Creating debugging pod {made['metadata']['name']} with container {container} on node {name}.\n"
        )
        sys.stdout.flush()
    return _create(session, made), container


def _create(session: Session, pod: Object) -> Object:
    pod["metadata"]["namespace"] = session.namespace
    query = {"fieldManager": "kubectl-debug", "fieldValidation": "Strict"}
    return session.api.call("POST", POD.path(session.namespace), query, body=pod)


# --- attaching --------------------------------------------------------------------------------------------------------


def _attach(session: Session, pod: Object, container: str, flags: dict[str, Any]) -> None:
    """Wait until the container runs, and carry its streams; of one that has ended already, print the log."""
    quiet = flags["quiet"]
    metadata = pod["metadata"]
    said: set[str] = set()

    def begun(item: Object | None) -> bool:
        if item is None:
            return True
        state = _state(item, container)
        text = (state.get("waiting") or {}).get("message", "")
        if text and text not in said and not quiet:
            said.add(text)
            warn(f"Warning: container {container}: {text}")
        phase = (item.get("status") or {}).get("phase")
        return "running" in state or "terminated" in state or phase in {"Succeeded", "Failed"}

    found = until(session.api, POD, metadata["namespace"], metadata["name"], begun)
    if found is None:
        raise CliError(f'pods "{metadata["name"]}" was deleted before the container ran')
    if "running" not in _state(found, container) or not _interact(session, found, container, flags):
        _print_log(session, found, container)


def _state(pod: Object, name: str) -> Object:
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(field) or ():
            if entry["name"] == name:
                state: Object = entry.get("state") or {}
                return state
    return {}


def _interact(session: Session, pod: Object, container: str, flags: dict[str, Any]) -> bool:
    stdin, quiet = flags["stdin"], flags["quiet"]
    tty = terminal_or_not(stdin, flags["tty"], quiet)
    try:
        stream = open_attach(session, pod, container, stdin=stdin, tty=tty or flags["tty"], quiet=True)
    except ApiError as error:
        if error.code in {400, 404, 409, 500}:
            return False  # it has ended meanwhile
        raise
    if stdin and not quiet:
        warn("If you don't see a command prompt, try pressing enter.")
    try:
        interact(stream, stdin=stdin, tty=tty)
    finally:
        stream.close()
    return True


def _print_log(session: Session, pod: Object, container: str) -> None:
    metadata = pod["metadata"]
    path = POD.path(metadata["namespace"], metadata["name"], "log")
    with session.api.open("GET", path, {"container": container}, accept="*/*") as log:
        for chunk in log.chunks():
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
