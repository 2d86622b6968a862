"""``pyrt daemon``: run until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal

import prctl

from pyrt.config import Config, load_config
from pyrt.daemon import journal
from pyrt.daemon.compose import Daemon
from pyrt.daemon.notify import Notifier
from pyrt.errors import PyrtError

log = logging.getLogger(__name__)

_GC_THRESHOLDS = (10_000, 20, 20)

PROCESS_NAME = "pyrt-daemon"
"""What ps(1) and top(1) show instead of ``python3`` (PR_SET_NAME: at most 15 bytes)."""


def run(config: Config | str | None = None, *, log_level: str = "INFO") -> int:
    """Serve in the foreground until SIGTERM or SIGINT; the pods run on.

    ``config`` is a configuration, the path of one, or ``None`` for the usual places. The exit code: 0, or 1 if the
    daemon could not start.
    """
    prctl.set_name(PROCESS_NAME)
    # Registry passwords pass through this memory: no core file of it, no tracer without CAP_SYS_PTRACE.
    prctl.set_dumpable(False)
    journal.set_up(os.environ.get("PYRT_LOG", log_level))
    try:
        asyncio.run(_serve(config if isinstance(config, Config) else load_config(config)))
    except PyrtError as error:
        log.critical("%s", error)
        return 1
    return 0


async def _serve(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # A terminal that closes is no reason to stop, nor is a client that hangs up.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    notifier = Notifier()
    async with Daemon(config) as daemon:
        # What exists now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # A pod's life makes thousands of objects, nearly all of which reference counting takes back: by default the
        # collector would look for cycles several times in each.
        gc.set_threshold(*_GC_THRESHOLDS)
        notifier.ready(f"{len(daemon.supervisor.pods())} pods")
        await stop.wait()
        log.info("stopping; pods run on")
        notifier.stopping()
