"""``pyrt explain``."""

from __future__ import annotations

import json
import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.manifests import load
from pyrt.cli.options import file_options, output_option
from pyrt.cli.session import Session
from pyrt.errors import PyrtError

EXAMPLES = """
# Everything that would be done for the pods in pod.yaml
pyrt explain -f pod.yaml

# What the pods of a Job would be
pyrt explain -f job.yaml

# The same for programs
pyrt explain -f pod.yaml -o json
"""


@click.command(cls=Command, name="explain", examples=EXAMPLES, arguments="-f FILENAME", daemonless=True)
@file_options
@output_option("json")
@click.pass_obj
def command(session: Session, /, filenames: tuple[str, ...], recursive: bool, output: str) -> None:
    """Show everything that applying a manifest would do: images, sandbox, addresses, cgroup files, nftables rules, and
    the plan of each container, system call by system call.

    Of a Job, or another kind with a template of pods, the template's pod is shown. Nothing is run. It needs neither
    root nor a daemon; if one answers, it is asked for the configuration of images, and for ConfigMaps and Secrets that
    do not stand beside the pod. What is not known before the pod runs is named, and shown as a placeholder; so is
    whatever is in a Secret.
    """
    if not filenames:
        raise CliError("must specify -f")
    if output not in {"", "json"}:
        raise CliError(
            f'unable to match a printer suitable for the output format "{output}", allowed formats are: json'
        )
    manifests = load(filenames, recursive=recursive)

    from dataclasses import asdict

    from pyrt.cli.explain.compose import Composer
    from pyrt.cli.explain.images import LocalImages
    from pyrt.cli.explain.objects import KINDS, LocalObjects
    from pyrt.cli.explain.subject import subject_of
    from pyrt.cli.explain.text import render
    from pyrt.config import load_config

    objects = LocalObjects(manifests, session.namespace, session.api)
    composer = Composer(load_config(session.config), LocalImages(session.api), objects)
    found = []
    failed = False
    explained = [manifest for manifest in manifests if manifest.object.get("kind") not in KINDS]
    for manifest in explained or manifests:
        try:
            found.append(composer.explain(subject_of(manifest, session.namespace)))
        except PyrtError as error:
            warn(message(error))
            failed = True
    if output == "json":
        sys.stdout.write(
            json.dumps({"kind": "ExplanationList", "items": [asdict(item) for item in found]}, indent=2) + "\n"
        )
    else:
        sys.stdout.write("\n".join(render(item) for item in found))
    if failed:
        raise CommandExit(1)
