"""``pyrt run``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from pyrt.cli.command import AFTER_DASH, Command
from pyrt.cli.commands.apply import say
from pyrt.cli.commands.exec import terminal_or_not
from pyrt.cli.durations import parse
from pyrt.cli.failure import CliError, CommandExit, warn
from pyrt.cli.options import output_option
from pyrt.cli.placing import Place
from pyrt.cli.remote import open_attach
from pyrt.cli.session import Session
from pyrt.cli.streaming import interact
from pyrt.cli.waiting import deadline_in, until
from pyrt.client.errors import ApiError, DeadlineError
from pyrt.client.resources import POD

EXAMPLES = """
# Start a nginx pod
pyrt run nginx --image=nginx

# Start a pod with environment variables and labels
pyrt run hazelcast --image=hazelcast/hazelcast --env="DNS_DOMAIN=cluster" -l app=hazelcast

# A shell in a busybox pod that goes away with it; pyrt exits with the shell's code
pyrt run -it --rm --restart=Never busybox --image=busybox -- sh

# Start the nginx pod using a different command and custom arguments
pyrt run nginx --image=nginx --command -- <cmd> <arg1> ... <argN>

# Print the pod's manifest without creating anything
pyrt run nginx --image=nginx --dry-run=client -o yaml
"""
DONE = frozenset({"Succeeded", "Failed"})

Object = dict[str, Any]


@click.command(
    cls=Command,
    name="run",
    examples=EXAMPLES,
    arguments='NAME --image=image [--env="key=value"] [--port=port] [--command] -- [COMMAND] [args...]',
    keep_dash=True,
)
@click.argument("name", required=False, default="")
@click.argument("words", nargs=-1)
@click.option("--image", default="", metavar="IMAGE", help="The image for the container to run.")
@click.option("-i", "--stdin", is_flag=True, help="Keep stdin open on the container, and attach.")
@click.option("-t", "--tty", is_flag=True, help="Allocate a TTY for the container.")
@click.option("--attach", is_flag=True, help="Wait for the pod to start running, and attach (the default with -i).")
@click.option("--rm", is_flag=True, help="Delete the pod after it exits. Only valid when attaching.")
@click.option("--restart", default="Always", metavar="POLICY", help="Always, OnFailure or Never.")
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE", help="Environment variables to set in the container.")
@click.option("--port", type=int, metavar="PORT", help="The port that this container exposes.")
@click.option("-l", "--labels", default="", metavar="LABELS", help="Comma separated labels (default: run=NAME).")
@click.option("--annotations", multiple=True, metavar="KEY=VALUE", help="Annotations to apply to the pod.")
@click.option("--command", "as_command", is_flag=True, help="The arguments are the command rather than its arguments.")
@click.option("--privileged", is_flag=True, help="Run the container in privileged mode.")
@click.option("--image-pull-policy", default="", metavar="POLICY", help="Always, IfNotPresent or Never.")
@click.option("--overrides", default="", metavar="JSON", help="A JSON merge patch for the generated pod.")
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@click.option("--leave-stdin-open", is_flag=True, help="Leave stdin open after the first attach completes.")
@click.option("--pod-running-timeout", default="1m0s", metavar="DURATION", help="How long to wait for a start.")
@click.option("-q", "--quiet", is_flag=True, help="Suppress prompt messages.")
@output_option("json, yaml, name")
@click.pass_context
def command(ctx: click.Context, /, name: str, words: tuple[str, ...], output: str, **flags: Any) -> None:
    """Create and run a particular image in a pod.

    With -i or --attach it waits for the container, attaches to it, and with --restart=Never exits with its code.
    """
    session: Session = ctx.obj
    if not name:
        raise CliError("NAME is required for run\nSee 'pyrt run -h' for help and examples")
    attach = flags["attach"] or flags["stdin"]
    _check(flags, attach)
    pod = pod_of(name, [*words, *(ctx.meta.get(AFTER_DASH) or [])], flags)
    where = Place(POD, session.namespace, name)
    body = {**pod, "metadata": {**pod["metadata"], "namespace": session.namespace}}
    if flags["dry_run"] == "client":
        say(where, "created", pod, output, "client")
        return
    query = {
        "fieldManager": "kubectl-run",
        "fieldValidation": "Strict",
        "dryRun": "All" if flags["dry_run"] == "server" else None,
    }
    created = session.api.call("POST", where.collection, query, body=body)
    if not attach or flags["dry_run"] == "server" or output:
        say(where, "created", created, output, flags["dry_run"])
    if attach and flags["dry_run"] == "none":
        try:
            _follow(session, created, flags)
        finally:
            if flags["rm"]:
                _remove(session, created, flags["quiet"])


def _check(flags: dict[str, Any], attach: bool) -> None:
    if not flags["image"]:
        raise CliError("required flag(s) \"image\" not set\nSee 'pyrt run -h' for help and examples")
    if flags["restart"] not in {"Always", "OnFailure", "Never"}:
        raise CliError(f"invalid restart policy: {flags['restart']}\nSee 'pyrt run -h' for help and examples")
    if flags["tty"] and not flags["stdin"]:
        raise CliError("-i/--stdin is required for containers with -t/--tty=true")
    if flags["rm"] and not attach:
        raise CliError("--rm should only be used for attached containers")
    if flags["dry_run"] not in {"none", "client", "server"}:
        raise CliError(f'Invalid dry-run value ({flags["dry_run"]}). Must be "none", "server", or "client".')


def pod_of(name: str, words: list[str], flags: dict[str, Any]) -> Object:
    """The manifest. Raises :class:`CliError`."""
    container: Object = {"name": name, "image": flags["image"], "resources": {}}
    if words:
        container["command" if flags["as_command"] else "args"] = words
    if flags["env"]:
        container["env"] = [_variable(text) for text in flags["env"]]
    if flags["port"] is not None:
        container["ports"] = [{"containerPort": flags["port"]}]
    if flags["image_pull_policy"]:
        container["imagePullPolicy"] = flags["image_pull_policy"]
    if flags["privileged"]:
        container["securityContext"] = {"privileged": True}
    if flags["stdin"]:
        container |= {"stdin": True, "stdinOnce": not flags["leave_stdin_open"], "tty": flags["tty"]}
    labels = _pairs(flags["labels"].split(",")) if flags["labels"] else {"run": name}
    metadata: Object = {"name": name, "labels": labels}
    if flags["annotations"]:
        metadata["annotations"] = _pairs(part for text in flags["annotations"] for part in text.split(","))
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], "restartPolicy": flags["restart"], "dnsPolicy": "ClusterFirst"},
    }
    return _overridden(pod, flags["overrides"]) if flags["overrides"] else pod


def _variable(text: str) -> Object:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CliError(f"invalid env: {text}")
    return {"name": name, "value": value}


def _pairs(texts: Any) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CliError(f"unexpected label or annotation: {text}")
        pairs[key.strip()] = value.strip()
    return pairs


def _overridden(pod: Object, overrides: str) -> Object:
    from pyrt.kube import strategic

    try:
        patch = json.loads(overrides)
    except ValueError as error:
        raise CliError(f"Invalid JSON Patch: {error}") from error
    if not isinstance(patch, dict):
        raise CliError("--overrides has to be a JSON object")
    return strategic.apply(pod, patch)


def _follow(session: Session, created: Object, flags: dict[str, Any]) -> None:
    """Attach as soon as there is something to attach to; then see how it ended."""
    metadata = created["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    pod = _started(session, created, parse(flags["pod_running_timeout"]))
    phase = (pod.get("status") or {}).get("phase")
    if phase in DONE or not _attach(session, pod, flags):
        _print_log(session, pod)
    if flags["restart"] == "Never":
        _exit_with(_ended(session, pod))
    elif not flags["quiet"]:
        terminal = " -i -t" if flags["tty"] else " -i" if flags["stdin"] else ""
        container = pod["spec"]["containers"][0]["name"]
        place = "" if namespace == "default" else f" -n {namespace}"
        warn(
            f"Session ended, resume using 'pyrt attach {name} -c {container}{terminal}{place}' when the pod is running"
        )


def _started(session: Session, created: Object, seconds: float) -> Object:
    def begun(pod: Object | None) -> bool:
        status = (pod or {}).get("status") or {}
        return (
            pod is None
            or status.get("phase") in DONE
            or any("running" in (entry.get("state") or {}) for entry in status.get("containerStatuses") or ())
        )

    metadata = created["metadata"]
    try:
        pod = until(session.api, POD, metadata["namespace"], metadata["name"], begun, deadline=deadline_in(seconds))
    except DeadlineError as error:
        raise CliError(f"timed out waiting for the condition{_reason(session, created)}") from error
    if pod is None:
        raise CliError(f'pods "{metadata["name"]}" was deleted before it ran')
    return pod


def _reason(session: Session, created: Object) -> str:
    """What the containers are waiting for, for whom waited in vain."""
    metadata = created["metadata"]
    status = session.api.get(POD.path(metadata["namespace"], metadata["name"])).get("status") or {}
    waiting = [(entry.get("state") or {}).get("waiting") or {} for entry in status.get("containerStatuses") or ()]
    texts = [": ".join(part for part in (state.get("reason"), state.get("message")) if part) for state in waiting]
    return "".join(f"\n{text}" for text in texts if text)


def _attach(session: Session, pod: Object, flags: dict[str, Any]) -> bool:
    """Carry the streams until the container ends; False if it ended before we came."""
    tty = terminal_or_not(flags["stdin"], flags["tty"], flags["quiet"])
    try:
        stream = open_attach(session, pod, "", stdin=flags["stdin"], tty=tty or flags["tty"], quiet=True)
    except ApiError as error:
        if error.code in {400, 404, 409, 500}:
            return False
        raise
    if tty and not flags["quiet"]:
        warn("If you don't see a command prompt, try pressing enter.")
    try:
        interact(stream, stdin=flags["stdin"], tty=tty)
    finally:
        stream.close()
    return True


def _print_log(session: Session, pod: Object) -> None:
    metadata = pod["metadata"]
    query = {"container": pod["spec"]["containers"][0]["name"], "follow": True}
    path = POD.path(metadata["namespace"], metadata["name"], "log")
    with session.api.open("GET", path, query, accept="*/*") as log:
        for chunk in log.chunks():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()


def _ended(session: Session, pod: Object) -> Object:
    metadata = pod["metadata"]
    last = until(
        session.api,
        POD,
        metadata["namespace"],
        metadata["name"],
        lambda item: item is None or (item.get("status") or {}).get("phase") in DONE,
    )
    if last is None:
        raise CliError(f"pod {metadata['namespace']}/{metadata['name']} was deleted while it was running")
    return last


def _exit_with(pod: Object) -> None:
    if pod["status"]["phase"] == "Succeeded":
        return
    metadata = pod["metadata"]
    label = f"pod {metadata['namespace']}/{metadata['name']}"
    statuses = pod["status"].get("containerStatuses") or [{}]
    terminated = (statuses[0].get("state") or {}).get("terminated") or {}
    code = int(terminated.get("exitCode") or 0)
    if not code:
        reason = pod["status"].get("message") or "failed with unknown exit code"
        raise CliError(f"{label} {reason}")
    text = f"{label} terminated ({terminated.get('reason') or 'Error'})"
    warn("\n".join(part for part in (text, terminated.get("message")) if part))
    raise CommandExit(code)


def _remove(session: Session, created: Object, quiet: bool) -> None:
    from pyrt.cli.commands.delete import Doomed, Manner, delete_one, say
    from pyrt.cli.waiting import until_gone

    metadata = created["metadata"]
    doomed = Doomed(POD, metadata["namespace"], metadata["name"])
    try:
        uid = delete_one(session, doomed, Manner())
    except ApiError as error:
        if error.code == 404:
            return
        raise
    until_gone(session.api, POD, doomed.namespace, doomed.name, uid)
    if not quiet:
        say(doomed, Manner())
