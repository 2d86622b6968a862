"""Port forwarding in channels: whatever happens, the pod's side is let go of."""

from __future__ import annotations

import asyncio
import socket

from pyrt.streams.channels import PORT_FORWARD
from pyrt.streams.portforward import serve


class Client:
    """Sends nothing, and hangs up when told."""

    def __init__(self) -> None:
        self.sent: list[bytes | str] = []
        self.gone = asyncio.Event()

    async def receive(self) -> bytes | str | None:
        await self.gone.wait()
        return None

    async def send(self, data: bytes | str) -> None:
        self.sent.append(data)


async def test_cancelled_while_it_ends() -> None:
    """The client hangs up, which ends the forwarding; then the server hears of it, and cancels what is ending."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.send(b"pong")
    client = Client()

    async def connect(_port: int) -> socket.socket:
        return ours

    task = asyncio.create_task(serve(client, PORT_FORWARD["v4.channel.k8s.io"], [80], connect))  # type: ignore[arg-type]
    while len(client.sent) < 3:
        await asyncio.sleep(0)
    client.gone.set()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert ours.fileno() == -1
    theirs.close()
