"""Port forwarding in channels: whatever happens, the pod's side is let go of."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pyrt.streams.channels import PORT_FORWARD
from pyrt.streams.portforward import serve


class Client:
    """Sends nothing, and hangs up when told."""

    def __init__(self) -> None:
        self.sent: list[bytes | str] = []
        self.gone = asyncio.Event()
        self.heard = asyncio.Event()
        """What the pod sent has come."""

    async def receive(self) -> bytes | str | None:
        await self.gone.wait()
        return None

    async def send(self, data: bytes | str) -> None:
        self.sent.append(data)
        if data == b"\0pong":
            self.heard.set()


@pytest.mark.parametrize("later", range(8))
async def test_cancelled_while_it_ends(later: int) -> None:
    """The client hangs up, which ends the forwarding; then the server hears of it, and cancels what is ending."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.send(b"pong")
    client = Client()

    async def connect(_port: int) -> socket.socket:
        return ours

    task = asyncio.create_task(serve(client, PORT_FORWARD["v4.channel.k8s.io"], [80], connect))  # type: ignore[arg-type]
    await client.heard.wait()
    client.gone.set()
    for _ in range(later):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ours.fileno() == -1
    theirs.close()
