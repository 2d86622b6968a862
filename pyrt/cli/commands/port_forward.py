"""``pyrt port-forward``."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import click

from pyrt.cli.command import Command
from pyrt.cli.durations import parse
from pyrt.cli.failure import CliError, message, warn
from pyrt.cli.options import pod_argument
from pyrt.cli.session import Session
from pyrt.cli.targets import pod_name
from pyrt.cli.waiting import deadline_in, until
from pyrt.client.portforward import open_forward, relay
from pyrt.client.resources import POD
from pyrt.errors import PyrtError

EXAMPLES = """
# Listen on ports 5000 and 6000 locally, forwarding data to/from ports 5000 and 6000 in the pod
pyrt port-forward mypod 5000 6000

# Listen on port 8888 on all addresses, forwarding to 5000 in the pod
pyrt port-forward --address 0.0.0.0 mypod 8888:5000

# Listen on a random port locally, forwarding to 5000 in the pod
pyrt port-forward mypod :5000
"""


@dataclass(frozen=True, slots=True)
class Forward:
    """One pair of ports; a local 0 is chosen by the kernel."""

    local: int
    remote: int


@click.command(cls=Command, name="port-forward", examples=EXAMPLES, arguments="POD [LOCAL_PORT:]REMOTE_PORT [...]")
@pod_argument(required=False, default="")
@click.argument("ports", nargs=-1)
@click.option("--address", "addresses", multiple=True, metavar="ADDRESS", help="Addresses to listen on, or localhost.")
@click.option("--pod-running-timeout", default="1m0s", metavar="DURATION", help="How long to wait for the pod to run.")
@click.pass_obj
def command(
    session: Session, /, pod: str, ports: tuple[str, ...], addresses: tuple[str, ...], pod_running_timeout: str
) -> None:
    """Forward one or more local ports to a pod, until interrupted."""
    if not pod or not ports:
        raise CliError("TYPE/NAME and list of ports are required for port-forward\nSee 'pyrt port-forward -h'")
    name = pod_name(pod)
    forwards = [parse_forward(text) for text in ports]
    session.api.get(POD.path(session.namespace, name))
    found = until(
        session.api,
        POD,
        session.namespace,
        name,
        lambda item: item is None or (item.get("status") or {}).get("phase") in {"Running", "Succeeded", "Failed"},
        deadline=deadline_in(parse(pod_running_timeout)),
    )
    phase = ((found or {}).get("status") or {}).get("phase", "unknown")
    if phase != "Running":
        raise CliError(f"unable to forward port because pod is not running. Current status={phase}")
    target = POD.path(session.namespace, name, "portforward")
    with ExitStack() as stack:
        listeners = []
        for forward in forwards:
            opened = _listen(forward, addresses)
            listeners += [(stack.enter_context(sock), forward) for sock in opened]
        for sock, forward in listeners:
            host, port = sock.getsockname()[:2]
            shown = f"[{host}]" if sock.family == socket.AF_INET6 else host
            sys.stdout.write(f"Forwarding from {shown}:{port} -> {forward.remote}\n")
        sys.stdout.flush()
        threads = [
            threading.Thread(target=_serve, args=(session.socket_path, sock, forward, target), daemon=True)
            for sock, forward in listeners
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def parse_forward(text: str) -> Forward:
    """``8080:80``, ``80``, ``:80``. Raises :class:`CliError`."""
    local, colon, remote = text.partition(":")
    if not colon:
        remote = local
    try:
        forward = Forward(int(local or 0), int(remote))
    except ValueError:
        raise CliError(f"invalid port format '{text}'") from None
    if not 0 <= forward.local <= 65535 or not 0 < forward.remote <= 65535:
        raise CliError(f"remote port must be > 0 and ports at most 65535: '{text}'")
    return forward


def _listen(forward: Forward, addresses: tuple[str, ...]) -> list[socket.socket]:
    """Sockets on every address; localhost is both families, of which one has to work."""
    wanted = [part for text in addresses or ("localhost",) for part in text.split(",") if part]
    found: list[socket.socket] = []
    problems: list[str] = []
    port = forward.local
    for address in wanted:
        for host in ("127.0.0.1", "::1") if address == "localhost" else (address,):
            try:
                found.append(_listener(host, port))
            except OSError as error:
                problems.append(f"unable to listen on {host}:{port}: {error.strerror or error}")
                if address != "localhost":
                    raise CliError(problems[-1]) from error
                continue
            port = port or found[0].getsockname()[1]  # the same random port in both families
    if not found:
        warn(f"Unable to listen on port {forward.local}: {'; '.join(problems)}")
        raise CliError(f"unable to listen on any of the requested ports: [{{{forward.local} {forward.remote}}}]")
    return found


def _listener(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


def _serve(socket_path: str, listener: socket.socket, forward: Forward, target: str) -> None:
    while True:
        connection, _ = listener.accept()
        sys.stdout.write(f"Handling connection for {listener.getsockname()[1]}\n")
        sys.stdout.flush()
        threading.Thread(target=_carry, args=(socket_path, connection, forward, target), daemon=True).start()


def _carry(socket_path: str, connection: socket.socket, forward: Forward, target: str) -> None:
    with connection:
        try:
            remote = open_forward(socket_path, target, forward.remote)
        except (PyrtError, OSError) as error:
            warn(message(error))
            return
        try:
            relay(connection, remote)
        except (PyrtError, OSError) as error:
            warn(f"an error occurred forwarding {forward.local} -> {forward.remote}: {error}")
        finally:
            remote.close()
