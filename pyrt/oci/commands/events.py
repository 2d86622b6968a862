"""``pyrt-oci events``."""

from __future__ import annotations

import select
import sys
import time

from pyrt import _native, quickjson
from pyrt.oci import cgroup
from pyrt.oci.errors import NotRunningError, OciError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory, State
from pyrt.oci.statistics import statistics
from pyrt.oci.status import STOPPED, alive, status

USAGE = "<container-id>"
FLAGS = ("interval =", "stats")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Print statistics once, or at intervals with what the OOM killer did until the container ends."""
    (id_,) = exactly(words, 1, USAGE)
    interval = seconds(options.text("interval", "5s"))
    directory = Directory.open(global_.root, id_)
    state = directory.read()
    if status(directory, state) == STOPPED:
        raise OciError(f"container with id {id_} is not running")
    if options.on("stats"):
        _print("stats", id_, statistics(state))
        return 0
    return _watch(state, interval)


def _watch(state: State, interval: float) -> int:
    try:
        pidfd = _native.pidfd_open(state.pid)
    except ProcessLookupError:
        raise NotRunningError from None
    driver = cgroup.driver(state.cgroup)
    killed = driver.oom_kills(state.cgroup.path)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    due = time.monotonic() + interval
    while alive(state):
        # The number of kills has no event of its own on v1; once a second is soon enough for people.
        ended = poll.poll(min(1.0, max(0.0, due - time.monotonic())) * 1000)
        now = driver.oom_kills(state.cgroup.path)
        for _ in range(now - killed):
            _print("oom", state.id, None)
        killed = max(killed, now)
        if ended:
            break
        if time.monotonic() >= due:
            _print("stats", state.id, statistics(state))
            due += interval
    return 0


def _print(kind: str, id_: str, data: dict[str, object] | None) -> None:
    event: dict[str, object] = {"type": kind, "id": id_}
    if data is not None:
        event["data"] = data
    sys.stdout.write(quickjson.dumps(event) + "\n")
    sys.stdout.flush()


def seconds(text: str) -> float:
    """A duration as Go writes it, of one unit: ``5s``, ``500ms``. Raises :class:`OciError`."""
    digits = text.rstrip("hms")
    try:
        value = float(digits) * _UNITS[text[len(digits) :]]
    except (ValueError, KeyError):
        raise OciError(f"{text!r} is not a duration such as 5s", operation="--interval") from None
    if value <= 0:
        raise OciError("duration interval must be greater than 0")
    return value
