from __future__ import annotations

import socket

import pytest

from pyrt.ids import SandboxId
from pyrt.network.errors import PortTaken
from pyrt.network.hostports import HostPorts, conflict, describe
from pyrt.network.types import HostPort

ONE, OTHER = SandboxId("1" * 64), SandboxId("2" * 64)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (HostPort("tcp", 80, 1), HostPort("tcp", 80, 2), True),
        (HostPort("tcp", 80, 1), HostPort("udp", 80, 1), False),
        (HostPort("tcp", 80, 1), HostPort("tcp", 81, 1), False),
        (HostPort("tcp", 80, 1), HostPort("tcp", 80, 1, "127.0.0.1"), True),
        (HostPort("tcp", 80, 1, "127.0.0.1"), HostPort("tcp", 80, 1, "127.0.0.1"), True),
        (HostPort("tcp", 80, 1, "127.0.0.1"), HostPort("tcp", 80, 1, "127.0.0.2"), False),
        (HostPort("tcp", 80, 1, "0.0.0.0"), HostPort("tcp", 80, 1, "127.0.0.2"), True),
        (HostPort("tcp", 80, 1, "0.0.0.0"), HostPort("tcp", 80, 1, "::"), False),
        (HostPort("tcp", 80, 1, "::"), HostPort("tcp", 80, 1, "fd00::1"), True),
        (HostPort("tcp", 80, 1), HostPort("tcp", 80, 1, "::"), True),
        (HostPort("tcp", 80, 1, "fd00:0::1"), HostPort("tcp", 80, 1, "fd00::1"), True),
    ],
)
def test_conflicts(one: HostPort, other: HostPort, expected: bool) -> None:
    assert conflict(one, other) is conflict(other, one) is expected


def test_ports_in_words() -> None:
    assert describe(HostPort("tcp", 80, 1)) == "hostPort 80/tcp"
    assert describe(HostPort("sctp", 80, 1, "10.0.0.1")) == "hostPort 10.0.0.1:80/sctp"
    assert describe(HostPort("udp", 80, 1, "fd00::1")) == "hostPort [fd00::1]:80/udp"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_belongs_to_one_pod_until_given_back() -> None:
    port = HostPort("tcp", free_port(), 80, "127.0.0.1")
    ports = HostPorts()
    ports.check(ONE, [port])
    ports.add(ONE, [port])
    ports.check(ONE, [port])
    with pytest.raises(PortTaken, match=r"in use by pod sandbox 1111111111111$"):
        ports.check(OTHER, [port])
    ports.remove(ONE, [port])
    ports.check(OTHER, [port])


def test_a_pod_cannot_ask_twice() -> None:
    port = HostPort("tcp", free_port(), 80, "127.0.0.1")
    with pytest.raises(PortTaken, match="asked for twice in this pod"):
        HostPorts().check(ONE, [port, port])


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_process_that_listens_has_the_port(kind: socket.SocketKind) -> None:
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            listener.listen()
        number = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^hostPort {number}/{protocol}: a process on the host listens there"):
            HostPorts().check(ONE, [HostPort(protocol, number, 80)])
    HostPorts().check(ONE, [HostPort(protocol, number, 80, "127.0.0.1")])


def test_an_address_that_is_not_here_yet_is_no_conflict() -> None:
    HostPorts().check(ONE, [HostPort("tcp", 80, 80, "203.0.113.7"), HostPort("tcp", 80, 80, "2001:db8::7")])
