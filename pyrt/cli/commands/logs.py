"""``pyrt logs``."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from math import ceil
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.containers import choose, names
from pyrt.cli.durations import parse, timestamp
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.options import container_option, pod_argument
from pyrt.cli.session import Session
from pyrt.cli.targets import pod_name
from pyrt.cli.waiting import deadline_in, until
from pyrt.client.api import Query
from pyrt.client.errors import DeadlineError
from pyrt.client.resources import POD
from pyrt.errors import PyrtError

EXAMPLES = """
# Return snapshot logs from pod web with only one container
pyrt logs web

# Return snapshot logs of all containers of all pods with label app=web
pyrt logs -l app=web --all-containers

# Begin streaming the logs of the app container in pod web
pyrt logs -f -c app web

# Return the logs of the previous, terminated instance of the container
pyrt logs -p -c app web

# Display only the most recent 20 lines, of the last hour
pyrt logs --tail=20 --since=1h web
"""

STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """One container's log."""

    namespace: str
    pod: str
    container: str

    @property
    def prefix(self) -> bytes:
        """``[pod/web/app] ``."""
        return f"[pod/{self.pod}/{self.container}] ".encode()


@click.command(cls=Command, name="logs", examples=EXAMPLES, arguments="[-f] [-p] (POD | -l label) [-c CONTAINER]")
@pod_argument(required=False, default="")
@click.argument("second", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="The logs are streamed as they are written.")
@click.option("-p", "--previous", is_flag=True, help="The logs of the previous instance of the container.")
@click.option("--tail", type=int, metavar="N", help="Lines of recent log to display; -1: all (10 with a selector).")
@click.option("--since", metavar="DURATION", default="", help="Only logs newer than a duration like 5s, 2m or 3h.")
@click.option("--since-time", metavar="TIME", default="", help="Only logs after a date (RFC3339).")
@click.option("--timestamps", is_flag=True, help="Include timestamps on each line.")
@click.option("--limit-bytes", type=int, default=0, metavar="N", help="Maximum bytes of logs to return.")
@click.option("--all-containers", is_flag=True, help="All containers of the pod, init containers too.")
@click.option("--prefix", is_flag=True, help="Prefix each line with the pod's and the container's name.")
@click.option("-l", "--selector", metavar="SELECTOR", default="", help="The pods with these labels.")
@click.option("--max-log-requests", type=int, default=5, metavar="N", help="Logs followed at once with a selector.")
@click.option("--ignore-errors", is_flag=True, help="Go on when a log cannot be read.")
@click.option("--pod-running-timeout", default="20s", metavar="DURATION", help="With -f: wait so long for a start.")
@container_option()
@click.pass_obj
def command(session: Session, /, pod: str, second: str, **flags: Any) -> None:
    """Print the logs for a container in a pod."""
    query = query_of(flags)
    pods = _pods(session, pod, flags)
    container = flags["container"] or second
    if container and flags["all_containers"]:
        raise CliError("--all-containers=true should not be specified with container name")
    sources = [source for item in pods for source in _sources(item, container, flags)]
    if flags["follow"]:
        if len(sources) > flags["max_log_requests"]:
            raise CliError(
                f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is "
                f"{flags['max_log_requests']}, use --max-log-requests to increase the limit"
            )
        for source in sources if len(pods) == 1 else ():
            _await_start(session, source, parse(flags["pod_running_timeout"]))
    printer = _Printer(session, query, flags["prefix"], flags["ignore_errors"])
    if flags["follow"] and len(sources) > 1:
        printer.together(sources)
    else:
        for source in sources:
            printer.print(source)
    if printer.failed:
        raise CommandExit(1)


def query_of(flags: dict[str, Any]) -> Query:
    """The query of the log subresource. Raises :class:`CliError` for flags that contradict each other."""
    tail: int | None = flags["tail"]
    if tail is None and flags["selector"]:
        tail = 10
    if tail is not None and tail < -1:
        raise CliError("--tail must be greater than or equal to -1")
    if flags["since"] and flags["since_time"]:
        raise CliError("at most one of sinceTime or sinceSeconds may be specified")
    timestamp(flags["since_time"])
    since = ceil(parse(flags["since"])) if flags["since"] else None
    if since is not None and since < 0:
        raise CliError("--since must be greater than 0")
    if flags["limit_bytes"] < 0:
        raise CliError("--limit-bytes must be greater than 0")
    return {
        "follow": flags["follow"] or None,
        "previous": flags["previous"] or None,
        "timestamps": flags["timestamps"] or None,
        "tailLines": tail if tail is not None and tail >= 0 else None,
        "sinceSeconds": since or None,
        "sinceTime": flags["since_time"] or None,
        "limitBytes": flags["limit_bytes"] or None,
    }


def _pods(session: Session, name: str, flags: dict[str, Any]) -> list[Object]:
    if name and flags["selector"]:
        raise CliError("only a selector (-l) or a POD name is allowed")
    if name:
        return [session.api.get(POD.path(session.namespace, pod_name(name)))]
    if not flags["selector"]:
        raise CliError(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
            "POD or TYPE/NAME is a required argument for the logs command\nSee 'pyrt logs -h' for help and examples"
        )
    found = session.api.get(POD.path(session.namespace), {"labelSelector": flags["selector"]}).get("items") or []
    if not found:
        warn(f"No resources found in {session.namespace} namespace.")
    return found


def _sources(pod: Object, container: str, flags: dict[str, Any]) -> list[Source]:
    metadata = pod["metadata"]
    if flags["all_containers"]:
        regular, init, ephemeral = names(pod)
        wanted = [*init, *regular, *ephemeral]
    else:
        wanted = [choose(pod, container)]
    return [Source(metadata["namespace"], metadata["name"], name) for name in wanted]


def _await_start(session: Session, source: Source, seconds: float) -> None:
    """A container that is still waiting to start has no log to follow yet: give it a while."""

    def begun(pod: Object | None) -> bool:
        status = (pod or {}).get("status") or {}
        entries = [entry for key in STATUSES for entry in status.get(key) or () if entry["name"] == source.container]
        states = [state for entry in entries for state in (entry.get("state") or {}, entry.get("lastState") or {})]
        return (
            pod is None
            or any("running" in state or "terminated" in state for state in states)
            or status.get("phase") in {"Succeeded", "Failed"}
        )

    try:
        until(session.api, POD, source.namespace, source.pod, begun, deadline=deadline_in(seconds))
    except DeadlineError:
        return  # the server will say what it is waiting for


class _Printer:
    """Copies logs to stdout."""

    def __init__(self, session: Session, query: Query, prefixed: bool, ignore_errors: bool) -> None:
        self._session = session
        self._query = query
        self._prefixed = prefixed
        self._ignore_errors = ignore_errors
        self._lock = threading.Lock()
        self.failed = False

    def print(self, source: Source, *, whole_lines: bool = False) -> None:
        """One log. Failures are told, and raised as exit code in the end."""
        out = sys.stdout.buffer
        path = POD.path(source.namespace, source.pod, "log")
        try:
            with self._session.api.open(
                "GET", path, {**self._query, "container": source.container}, accept="*/*"
            ) as log:
                if self._prefixed or whole_lines:
                    prefix = source.prefix if self._prefixed else b""
                    for line in log.lines():
                        with self._lock:
                            out.write(prefix + line + b"\n")
                            out.flush()
                else:
                    for chunk in log.chunks():
                        out.write(chunk)
                        out.flush()
        except BrokenPipeError:
            raise
        except (PyrtError, OSError) as error:
            warn(message(error))
            self.failed |= not self._ignore_errors

    def together(self, sources: list[Source]) -> None:
        """Several logs at once, line by line."""
        threads = [
            threading.Thread(target=self.print, args=(source,), kwargs={"whole_lines": True}, daemon=True)
            for source in sources
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
