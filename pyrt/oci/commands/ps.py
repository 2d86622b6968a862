"""``pyrt-oci ps``."""

from __future__ import annotations

import os
import sys

from pyrt import quickjson
from pyrt.oci import cgroup
from pyrt.oci.errors import OciError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, at_least
from pyrt.oci.state import Directory

USAGE = "<container-id> [ps options]"
FLAGS = ("format f =",)
STOPS_AT_WORD = True


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Print the processes in the container's cgroup: their numbers, or what ps(1) says of them."""
    id_, *arguments = at_least(words, 1, USAGE)
    form = options.text("format", "table")
    if arguments[:1] in (["-f"], ["--format"]) and arguments[1:2] in (["json"], ["table"]):
        form, arguments = arguments[1], arguments[2:]  # some write it after the id
    if form not in ("table", "json"):
        raise OciError("invalid format option")
    state = Directory.open(global_.root, id_).read()
    pids = sorted(set(cgroup.driver(state.cgroup).processes(state.cgroup.path)))
    if form == "json":
        sys.stdout.write((quickjson.dumps(pids) if pids else "null") + "\n")
        return 0
    sys.stdout.write(_filtered(_ps(arguments or ["-ef"]), set(pids)))
    return 0


def _ps(arguments: list[str]) -> str:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
    try:
        pid = os.posix_spawnp("ps", ["ps", *arguments], os.environ, file_actions=actions)
    except OSError as error:
        raise OciError(operation="run ps", errno=error.errno) from error
    finally:
        os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code != 0:
        raise OciError(f"exit status {code}: {text.strip()}", operation="run ps")
    return text


def _filtered(text: str, pids: set[int]) -> str:
    title, *lines = text.splitlines() or [""]
    try:
        column = title.split().index("PID")
    except ValueError:
        raise OciError("couldn't find PID field in ps output") from None
    kept = [title]
    for line in lines:
        fields = line.split()
        if len(fields) > column and fields[column].isdigit() and int(fields[column]) in pids:
            kept.append(line)
    return "\n".join(kept) + "\n"
