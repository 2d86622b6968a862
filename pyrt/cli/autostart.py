"""Start the daemon in the background when a command finds none."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections import deque

from pyrt.cli.failure import CliError, warn
from pyrt.client.errors import ClientError, UnreachableError
from pyrt.client.http import Request, send
from pyrt.config import load_config
from pyrt.config.location import api_socket, config_file

PATIENCE = 30.0
"""Seconds until a daemon that lives but does not become ready is given up."""
POLL = 0.01
"""Seconds between two looks."""
LAST_LINES = 15
"""How much of the log is shown when the daemon dies."""


def start_daemon(socket_path: str, config: str | None) -> bool:
    """Start the daemon that listens on ``socket_path``, and wait until it is ready; say so once on stderr.

    False when the socket is not the configured one, so that no daemon we could start would listen there. Raises
    :class:`CliError` when it cannot be started, ConfigError when its configuration is wrong.
    """
    # With the file named, $PYRT_SOCKET does not count: what would a daemon listen on?
    if os.path.realpath(api_socket(config_file(config))) != os.path.realpath(socket_path):
        return False
    if os.geteuid() != 0:
        raise CliError(f"no daemon answers on {socket_path}, and only root can start it")
    load_config(config)  # what is wrong with it is better said here than in a log
    run = os.path.dirname(socket_path)
    os.makedirs(run, mode=0o755, exist_ok=True)
    # Two commands at once: the second one waits here for the first, and then finds a daemon.
    with open(os.path.join(run, "daemon.start"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _ready(socket_path):
            _launch(socket_path, config, os.path.join(run, "daemon.log"))
    return True


def _launch(socket_path: str, config: str | None, log: str) -> None:
    # -P: the daemon's working directory is /, and nothing there is a module.
    command = [sys.executable, "-P", "-m", "pyrt.cli", "daemon"]
    if config:
        command += ["--config", os.path.abspath(config)]
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE
    while not _ready(socket_path):
        if process.poll() is not None:
            raise CliError(f"the daemon exited with code {process.returncode}; the end of {log}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            process.terminate()
            raise CliError(f"the daemon was not ready within {PATIENCE:.0f} s; the end of {log}:\n{_tail(log)}")
        time.sleep(POLL)
    warn(f"pyrt: started the daemon (pid {process.pid})")
    process.returncode = 0  # it outlives us: keep subprocess from warning that it still runs


def _environment() -> dict[str, str]:
    """Ours, with the search path of modules made absolute, as the working directory changes."""
    environment = dict(os.environ)
    if "PYTHONPATH" in environment:
        paths = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths)
    return environment


def _ready(socket_path: str) -> bool:
    try:
        with send(socket_path, Request("GET", "/readyz", {}), timeout=5.0) as response:
            return response.status == 200
    except UnreachableError:
        return False
    except ClientError:
        return False  # it accepted and then died, or is not yet itself: the caller looks again


def _tail(log: str) -> str:
    with open(log, errors="replace") as stream:
        return "".join(deque(stream, LAST_LINES)).rstrip()
