"""Port forwarding over a WebSocket (``v4.channel.k8s.io`` of the portforward subresource).

Each forwarded port has two channels, 2i for data and 2i+1 for errors; the first message on each is the port's number,
two octets, little-endian. One WebSocket carries one TCP connection here, so that a slow one never blocks another.
"""

from __future__ import annotations

import contextlib
import select
import socket

from pyrt.client.errors import ClientError
from pyrt.client.websocket import FRAGMENT, WebSocket, open_websocket

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1


class ForwardError(ClientError):
    """The pod's side refused or broke the connection."""


def open_forward(socket_path: str, target: str, port: int) -> WebSocket:
    """Connect to ``port`` of the pod whose portforward subresource is ``target``."""
    return open_websocket(socket_path, f"{target}?ports={port}", (PROTOCOL,))


def relay(local: socket.socket, remote: WebSocket) -> None:
    """Carry one TCP connection until the pod's side ends it. Raises :class:`ForwardError` with the server's words."""
    greeted = {DATA: False, ERROR: False}
    poller = select.poll()
    ending = False
    ready_remote = remote.pending
    while not remote.closed:
        poller.register(remote, select.POLLIN | (select.POLLOUT if remote.unsent else 0))
        if ending or remote.unsent:
            _unregister(poller, local)
        else:
            poller.register(local, select.POLLIN)
        events = dict(poller.poll(0 if ready_remote else None))
        remote.flush()
        if ready_remote or events.get(remote.fileno(), 0) & ~select.POLLOUT:
            ready_remote = False
            for message in remote.receive():
                channel, data = message[0], message[1:]
                if not greeted.get(channel, True):
                    greeted[channel] = True  # the port's number, which we know
                elif channel == ERROR and data:
                    raise ForwardError(data.decode(errors="replace").strip())
                elif channel == DATA:
                    local.sendall(data)
        if local.fileno() in events:
            data = local.recv(FRAGMENT)
            remote.send(bytes((DATA,)) + data)  # without data: this side sends no more
            ending = not data


def _unregister(poller: select.poll, sock: socket.socket) -> None:
    with contextlib.suppress(KeyError):
        poller.unregister(sock)
