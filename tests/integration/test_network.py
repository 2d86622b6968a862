"""Pods' network on a real kernel.

The "host" of these tests is a network namespace of its own, with another one behind it that plays the outside; so
forwarding, nftables and addresses of the machine are not touched. Pods are namespaces set up by the very messages that
the pod process sends, and their sockets belong to this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from pyrt.config import Config, for_instance
from pyrt.ids import SandboxId, new_sandbox_id
from pyrt.network import HOST_NETNS_FD, Attachment, HostPort, Network, NetworkError, PoolExhausted, PortTaken
from pyrt.network.netlink import link_exists
from pyrt.network.nftables import Nftables
from pyrt.network.veth import host_index
from pyrt.store import Store

_CLONE_NEWNET = 0x40000000
_TOTAL_RETRANS = 100
"""Offset of tcpi_total_retrans in struct tcp_info (linux/tcp.h)."""
_IPPROTO_SCTP = 132
_libc = ctypes.CDLL(None, use_errno=True)
KERNEL = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


class Namespace:
    """A network namespace, held by a descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def here(cls) -> Namespace:
        return cls(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        back = Namespace.here()
        _call("setns", self.fd, _CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", back.fd, _CLONE_NEWNET)
            back.close()

    def ip(self, *commands: str) -> None:
        with self.entered():
            for command in commands:
                subprocess.run(["ip", *command.split()], check=True)

    def show(self, command: str) -> str:
        with self.entered():
            return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout

    def sysctl(self, name: str) -> str:
        with self.entered():
            return Path("/proc/sys", name).read_text().strip()

    def set_sysctl(self, name: str, value: str) -> None:
        with self.entered():
            Path("/proc/sys", name).write_text(value)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def new_namespace() -> Namespace:
    back = Namespace.here()
    _call("unshare", _CLONE_NEWNET)
    made = Namespace.here()
    _call("setns", back.fd, _CLONE_NEWNET)
    back.close()
    return made


@dataclass
class Pod(Namespace):
    id: SandboxId
    attachment: Attachment
    fd: int = -1
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def v4(self) -> str:
        return str(self.attachment.ipv4)

    @property
    def v6(self) -> str:
        return str(self.attachment.ipv6)


def _play(netlink: socket.socket, messages: tuple[bytes, ...]) -> None:
    netlink.send(b"".join(messages))
    answered = 0
    while answered < len(messages):
        data = netlink.recv(65536)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == 2:
                (code,) = struct.unpack_from("=i", data, 16)
                if code:
                    raise OSError(-code, f"message {answered}: {os.strerror(-code)}")
                answered += 1
            data = data[(length + 3) & ~3 :]


def make_pod(sandbox_id: SandboxId, attachment: Attachment) -> Pod:
    """What pyrt-pod does, in a child process: its descriptor 4 is the host's namespace."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(done[1])
            host = os.open("/proc/self/ns/net", os.O_RDONLY)
            result, wait = os.dup(ready[1]), os.dup(done[0])
            host_socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            keep = (result, wait, host, host_socket.fileno())
            assert HOST_NETNS_FD not in keep
            os.dup2(host, HOST_NETNS_FD)
            _call("unshare", _CLONE_NEWNET)
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as pod_socket:
                try:
                    _play(pod_socket, attachment.pod_messages)
                    _play(host_socket, attachment.host_messages)
                    _play(pod_socket, attachment.final_messages)
                    os.write(result, b"ok")
                except OSError as error:
                    os.write(result, str(error).encode())
            os.read(wait, 1)
            status = 0
        finally:
            os._exit(status)
    os.close(ready[1])
    os.close(done[0])
    answer = os.read(ready[0], 1000).decode()
    fd = os.open(f"/proc/{child}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    os.close(ready[0])
    os.close(done[1])
    os.waitpid(child, 0)
    pod = Pod(sandbox_id, attachment, fd)
    if answer != "ok":
        pod.close()
        raise AssertionError(answer)
    return pod


@dataclass
class World:
    """The host's namespace (entered by the test), the outside, and a network that serves the host."""

    config: Config
    store: Store
    network: Network
    host: Namespace
    outside: Namespace
    pods: list[Pod] = field(default_factory=list)

    def pod(self, *ports: HostPort) -> Pod:
        sandbox_id = new_sandbox_id()
        pod = make_pod(sandbox_id, self.network.attach(sandbox_id, ports))
        self.pods.append(pod)
        return pod

    def delete(self, pod: Pod) -> None:
        pod.close()
        self.network.release(pod.id)

    def wait_gone(self, pod: Pod) -> None:
        """Until the kernel has taken the link of a closed pod away; the test's timeout is the limit."""
        index = host_index(pod.attachment.ipv4, pod.attachment.ipv6)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as events:
            events.bind((0, 1))  # RTMGRP_LINK
            events.settimeout(60)
            while link_exists(index):
                events.recv(65536)

    def restart(self) -> None:
        """What kill -9 and a new daemon do to the network's state: everything in memory is lost."""
        self.store.close()
        self.store = Store(self.config.paths.root)
        self.network = Network(self.config, self.store)
        self.network.start()


OUTSIDE_V4, OUTSIDE_V6 = "198.51.100.2", "2001:db8:1::2"
HOST_V4, HOST_V6 = "198.51.100.1", "2001:db8:1::1"


needs_nat = pytest.mark.usefixtures("_nat")


@pytest.fixture
def _nat(world: World) -> None:
    if not world.network.nat:
        pytest.skip("the kernel has no nftables with inet and nat")


@pytest.fixture
def world(workdir: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    machine = Namespace.here()
    host, outside = new_namespace(), new_namespace()
    _call("setns", host.fd, _CLONE_NEWNET)
    config = for_instance(workdir, request.node.name)
    store = Store(config.paths.root)
    world = World(config, store, Network(config, store), host, outside)
    try:
        outside.ip("link set lo up")
        host.set_sysctl("net/ipv6/conf/default/dad_transmits", "0")  # the cable is not under test
        _wire(host, outside)
        host.set_sysctl("net/ipv4/ip_forward", "0")  # a new namespace starts with the machine's value
        world.network.start()
        yield world
    finally:
        for pod in world.pods:
            pod.close()
        world.network.uninstall()
        world.store.close()
        world.network.stop()
        _call("setns", machine.fd, _CLONE_NEWNET)
        for namespace in (host, outside, machine):
            namespace.close()


def _wire(host: Namespace, outside: Namespace) -> None:
    """A cable between the host and the outside, with an MTU to be recognised by."""
    holder = subprocess.Popen(["sleep", "infinity"], preexec_fn=lambda: _call("setns", outside.fd, _CLONE_NEWNET))
    try:
        host.ip(
            "link set lo up",
            f"link add up0 mtu 1400 type veth peer name up1 mtu 1400 netns {holder.pid}",
            f"address add {HOST_V4}/24 dev up0",
            f"address add {HOST_V6}/64 dev up0 nodad",
            "link set up0 up",
        )
    finally:
        holder.kill()
        holder.wait()
    outside.ip(f"address add {OUTSIDE_V4}/24 dev up1", f"address add {OUTSIDE_V6}/64 dev up1 nodad", "link set up1 up")
    host.ip(f"route add default via {OUTSIDE_V4}", f"-6 route add default via {OUTSIDE_V6}")
    _wait_for_address(host, "inet6 fe80:")  # the kernel makes it in its own time; tests compare states


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


_TYPES = {
    "tcp": (socket.SOCK_STREAM, 0),
    "udp": (socket.SOCK_DGRAM, 0),
    "sctp": (socket.SOCK_STREAM, _IPPROTO_SCTP),
}


@contextlib.contextmanager
def listening(where: Namespace, address: str, port: int, protocol: str = "tcp") -> Iterator[socket.socket]:
    kind, number = _TYPES[protocol]
    with where.entered():
        server = socket.socket(_family(address), kind, number)
    with server:
        server.settimeout(20)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        if protocol != "udp":
            server.listen()
        yield server


def talk(client: Namespace, server: socket.socket, address: str, port: int) -> str:
    """Send a question, get the answer; the client's address as the server saw it."""
    with client.entered():
        connection = socket.socket(_family(address), server.type, server.proto)
    with connection:
        connection.settimeout(20)
        connection.connect((address, port))
        connection.send(b"question")
        if server.type == socket.SOCK_DGRAM:
            data, peer = server.recvfrom(100)
            server.sendto(b"answer", peer)
        else:
            accepted, peer = server.accept()
            with accepted:
                accepted.settimeout(20)
                data = accepted.recv(100)
                accepted.send(b"answer")
        assert data == b"question"
        assert connection.recv(100) == b"answer"
    return str(peer[0])


def refused(client: Namespace, address: str, port: int) -> bool:
    with client.entered(), socket.socket(_family(address)) as connection:
        connection.settimeout(20)
        return connection.connect_ex((address, port)) != 0


def retransmissions(client: Namespace, address: str, port: int) -> int:
    with client.entered(), socket.socket(_family(address)) as connection:
        connection.settimeout(20)
        connection.connect((address, port))
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOTAL_RETRANS + 4)
        return int(struct.unpack_from("=I", info, _TOTAL_RETRANS)[0])


def ping(client: Namespace, address: str) -> bool:
    """One echo request (RFC 792, RFC 4443); whether its reply came. The kernel fills in ICMPv6's checksum."""
    v6 = ":" in address
    request, reply, start = (128, 129, 0) if v6 else (8, 0, 20)
    number = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    with client.entered():
        raw = socket.socket(_family(address), socket.SOCK_RAW, number)
    with raw:
        raw.settimeout(20)
        checksum = ~(request << 8) & 0xFFFF
        raw.sendto(struct.pack("!BBHHH", request, 0, checksum, 0, 0), (address, 0))
        while True:
            answer = raw.recv(2000)[start:]
            if answer[0] == reply:
                return True


# --- pods, the host, and the outside ---------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("version", [4, 6])
def test_pods_reach_each_other_under_their_own_addresses(world: World, version: int) -> None:
    one, other = world.pod(), world.pod()
    mine, theirs = (one.v4, other.v4) if version == 4 else (one.v6, other.v6)
    with listening(other, theirs, 80) as server:
        assert talk(one, server, theirs, 80) == mine


@pytest.mark.core
@pytest.mark.parametrize("version", [4, 6])
def test_host_and_pod_reach_each_other(world: World, version: int) -> None:
    pod = world.pod()
    address = pod.v4 if version == 4 else pod.v6
    gateways = [str(gateway) for gateway in world.network._pool.gateways]
    with listening(pod, address, 80) as server:
        assert talk(world.host, server, address, 80) in (*gateways, HOST_V4, HOST_V6)
    with listening(world.host, HOST_V4 if version == 4 else HOST_V6, 81) as server:
        assert talk(pod, server, HOST_V4 if version == 4 else HOST_V6, 81) == address


def test_pods_answer_pings(world: World) -> None:
    pod = world.pod()
    assert ping(world.host, pod.v4)
    assert ping(world.host, pod.v6)
    assert ping(pod, "127.0.0.1")
    assert ping(pod, "::1")


@pytest.mark.parametrize("version", [4, 6])
@needs_nat
def test_the_outside_sees_the_host(world: World, version: int) -> None:
    pod = world.pod()
    there, here = (OUTSIDE_V4, HOST_V4) if version == 4 else (OUTSIDE_V6, HOST_V6)
    with listening(world.outside, there, 80) as server:
        assert talk(pod, server, there, 80) == here


def test_masquerading_can_be_switched_off(world: World) -> None:
    config = msgspec.structs.replace(
        world.config, network=msgspec.structs.replace(world.config.network, masquerade=False)
    )
    world.config = config
    world.restart()
    pod = world.pod()
    world.outside.ip(f"route add {pod.v4} via {HOST_V4}")
    with listening(world.outside, OUTSIDE_V4, 80) as server:
        assert talk(pod, server, OUTSIDE_V4, 80) == pod.v4


@pytest.mark.skipif(KERNEL < (6, 8), reason="RTM_GETLINK does not run the link watch before Linux 6.8")
def test_the_first_packet_of_a_pod_is_not_lost(world: World) -> None:
    gateways = [str(gateway) for gateway in world.network._pool.gateways]
    with listening(world.host, "::", 81):
        for _ in range(10):
            pod = world.pod()
            assert retransmissions(pod, gateways[1], 81) == 0
            assert retransmissions(pod, gateways[0], 81) == 0


@pytest.mark.core
def test_no_address_is_tentative_and_none_is_link_local(world: World) -> None:
    pod = world.pod()
    inside = pod.show("ip -6 address show dev eth0")
    assert "tentative" not in inside
    assert "fe80" not in inside
    assert "inet6" not in world.host.show(f"ip -6 address show dev {pod.attachment.host_interface}")


def test_the_description_has_one_line_a_message(world: World) -> None:
    attachment = world.network.attach(new_sandbox_id())
    messages = (*attachment.pod_messages, *attachment.host_messages, *attachment.final_messages)
    assert len(attachment.description) == len(messages)


def test_mtu_is_that_of_the_default_route(world: World) -> None:
    pod = world.pod()
    assert "mtu 1400" in pod.show("ip link show dev eth0")
    assert "mtu 1400" in world.host.show(f"ip link show dev {pod.attachment.host_interface}")


@needs_nat
def test_a_pod_cannot_use_another_pods_address(world: World) -> None:
    one, other, victim = world.pod(), world.pod(), world.pod()
    with one.entered():
        subprocess.run(["ip", "address", "add", f"{other.v4}/32", "dev", "eth0"], check=True)
        subprocess.run(["ip", "address", "add", f"{other.v6}/128", "dev", "eth0", "nodad"], check=True)
    with listening(victim, victim.v4, 80, "udp") as server4, listening(victim, victim.v6, 80, "udp") as server6:
        for server, false, true in ((server4, other.v4, one.v4), (server6, other.v6, one.v6)):
            with one.entered():
                liar = socket.socket(server.family, socket.SOCK_DGRAM)
                honest = socket.socket(server.family, socket.SOCK_DGRAM)
            with liar, honest:
                liar.bind((false, 0))
                liar.sendto(b"lie", server.getsockname()[:2])
                honest.bind((true, 0))
                honest.sendto(b"truth", server.getsockname()[:2])
            assert server.recv(10) == b"truth"


def test_a_family_can_be_switched_off(world: World) -> None:
    world.config = msgspec.structs.replace(
        world.config, network=msgspec.structs.replace(world.config.network, ipv4_cidr="")
    )
    world.restart()
    one, other = world.pod(), world.pod()
    assert one.attachment.ipv4 is None
    assert one.attachment.addresses == (one.v6,)
    with listening(other, other.v6, 80) as server:
        assert talk(one, server, other.v6, 80) == one.v6


# --- host ports ------------------------------------------------------------------------------------------------------


def _has_sctp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "protocol",
    ["tcp", "udp", pytest.param("sctp", marks=pytest.mark.skipif(not _has_sctp(), reason="the kernel has no SCTP"))],
)
@pytest.mark.parametrize("version", [4, 6])
@needs_nat
def test_host_port_from_outside(world: World, protocol: Literal["tcp", "udp", "sctp"], version: int) -> None:
    pod = world.pod(HostPort(protocol, 8080, 80))
    address, host, peer = (pod.v4, HOST_V4, OUTSIDE_V4) if version == 4 else (pod.v6, HOST_V6, OUTSIDE_V6)
    with listening(pod, address, 80, protocol) as server:
        assert talk(world.outside, server, host, 8080) == peer


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("address", ["127.0.0.1", HOST_V4, HOST_V6])
@needs_nat
def test_host_port_from_the_host_itself(world: World, protocol: Literal["tcp", "udp"], address: str) -> None:
    pod = world.pod(HostPort(protocol, 8080, 80))
    with listening(pod, pod.v6 if ":" in address else pod.v4, 80, protocol) as server:
        talk(world.host, server, address, 8080)


@pytest.mark.parametrize("address", [HOST_V4, HOST_V6])
@needs_nat
def test_host_port_from_the_pod_itself_and_from_another(world: World, address: str) -> None:
    pod, other = world.pod(HostPort("tcp", 8080, 80)), world.pod()
    with listening(pod, pod.v6 if ":" in address else pod.v4, 80) as server:
        talk(pod, server, address, 8080)
        assert talk(other, server, address, 8080) in (other.v4, other.v6)


@needs_nat
def test_host_ip_limits_a_port_to_one_address(world: World) -> None:
    pod = world.pod(HostPort("tcp", 8080, 80, "127.0.0.1"))
    with listening(pod, pod.v4, 80) as server:
        talk(world.host, server, "127.0.0.1", 8080)
    assert refused(world.outside, HOST_V4, 8080)
    assert refused(world.host, HOST_V4, 8080)


@needs_nat
def test_two_pods_share_a_port_on_different_addresses(world: World) -> None:
    one = world.pod(HostPort("tcp", 8080, 80, "127.0.0.1"))
    other = world.pod(HostPort("tcp", 8080, 80, HOST_V4))
    with listening(one, one.v4, 80) as first, listening(other, other.v4, 80) as second:
        talk(world.host, first, "127.0.0.1", 8080)
        talk(world.host, second, HOST_V4, 8080)


@needs_nat
def test_a_taken_port_is_one_clear_error_and_costs_nothing(world: World) -> None:
    first = world.pod(HostPort("tcp", 8080, 80))
    with pytest.raises(PortTaken, match=rf"^hostPort 127.0.0.1:8080/tcp: in use by pod sandbox {first.id[:13]}$"):
        world.network.attach(new_sandbox_id(), [HostPort("tcp", 8080, 81, "127.0.0.1")])
    assert list(world.network._started().records) == [first.id]
    world.network.attach(new_sandbox_id(), [HostPort("udp", 8080, 80)])


@needs_nat
def test_a_port_on_which_the_host_listens_is_taken(world: World) -> None:
    with (
        listening(world.host, "127.0.0.1", 8080),
        pytest.raises(PortTaken, match=r"^hostPort 8080/tcp: a process on the host listens there"),
    ):
        world.network.attach(new_sandbox_id(), [HostPort("tcp", 8080, 80)])
    world.network.attach(new_sandbox_id(), [HostPort("tcp", 8080, 80)])


@needs_nat
def test_a_released_port_leads_nowhere_and_can_be_had_again(world: World) -> None:
    port = HostPort("tcp", 8080, 80)
    first = world.pod(port)
    world.delete(first)
    assert refused(world.outside, HOST_V4, 8080)
    second = world.pod(port)
    with listening(second, second.v4, 80) as server:
        talk(world.outside, server, HOST_V4, 8080)


@needs_nat
def test_a_udp_client_that_goes_on_sending_reaches_the_next_pod(world: World) -> None:
    port = HostPort("udp", 5353, 53)
    first = world.pod(port)
    with world.outside.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.settimeout(20)
        client.connect((HOST_V4, 5353))
        with listening(first, first.v4, 53, "udp") as server:
            client.send(b"one")
            assert server.recv(10) == b"one"
        world.delete(first)
        second = world.pod(port)
        with listening(second, second.v4, 53, "udp") as server:
            client.send(b"two")
            assert server.recv(10) == b"two"


@needs_nat
def test_a_pod_with_a_host_port_cannot_reach_the_hosts_loopback(world: World) -> None:
    pod = world.pod(HostPort("tcp", 8080, 80))
    pod.ip("route add 127.0.0.9/32 via 169.254.1.1 dev eth0 onlink table 100", "rule add to 127.0.0.9 table 100 pref 0")
    pod.set_sysctl("net/ipv4/conf/all/route_localnet", "1")
    pod.ip("route del table local 127.0.0.0/8 dev lo")
    with listening(world.host, "127.0.0.9", 99, "udp") as secret, listening(world.host, HOST_V4, 99, "udp") as public:
        with pod.entered():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            client.bind((pod.v4, 0))
            client.sendto(b"attack", ("127.0.0.9", 99))
            client.sendto(b"hello", (HOST_V4, 99))
        assert public.recv(10) == b"hello"
        secret.settimeout(0)
        with pytest.raises(BlockingIOError):
            secret.recv(10)


@needs_nat
def test_ipv6_loopback_is_refused(world: World) -> None:
    with pytest.raises(NetworkError, match=r"^hostPort \[::1\]:8080/tcp: Linux cannot translate ::1"):
        world.network.attach(new_sandbox_id(), [HostPort("tcp", 8080, 80, "::1")])


@pytest.mark.core
def test_a_kernel_without_nat_says_so_and_pods_have_a_network(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if world.network.nat:

        def refuse(self: Nftables, commands: str) -> str:
            raise NetworkError("Could not process rule: Operation not supported", subject="nftables")

        monkeypatch.setattr(Nftables, "run", refuse)
        world.restart()
    assert len(world.network.warnings) == 1
    assert "Operation not supported" in world.network.warnings[0]
    with pytest.raises(NetworkError, match=r"^hostPort 8080/tcp: the kernel cannot translate addresses: nftables: "):
        world.network.attach(new_sandbox_id(), [HostPort("tcp", 8080, 80)])
    one, other = world.pod(), world.pod()
    with listening(other, other.v4, 80) as server:
        assert talk(one, server, other.v4, 80) == one.v4
    world.network.uninstall()


# --- state ------------------------------------------------------------------------------------------------------------


@needs_nat
def test_a_new_daemon_knows_addresses_and_ports(world: World) -> None:
    pod = world.pod(HostPort("tcp", 8080, 80))
    world.restart()
    assert world.network.recover([pod.id]) == []
    assert world.network.addresses(pod.id) == (pod.v4, pod.v6)
    assert world.network.attach(pod.id, [HostPort("tcp", 8080, 80)]).addresses == (pod.v4, pod.v6)
    with listening(pod, pod.v4, 80) as server:
        talk(world.outside, server, HOST_V4, 8080)
    with pytest.raises(PortTaken):
        world.network.attach(new_sandbox_id(), [HostPort("tcp", 8080, 80)])


@needs_nat
def test_a_new_daemon_releases_what_died_meanwhile(world: World) -> None:
    dead, alive = world.pod(HostPort("tcp", 8080, 80)), world.pod()
    dead.close()
    world.restart()
    assert world.network.recover([alive.id]) == [dead.id]
    assert world.network.addresses(dead.id) == ()
    world.pod(HostPort("tcp", 8080, 80))


def test_an_address_rests_until_its_link_is_gone(world: World) -> None:
    world.config = msgspec.structs.replace(
        world.config, network=msgspec.structs.replace(world.config.network, ipv4_cidr="10.239.1.0/29")
    )
    world.restart()
    pods = [world.pod() for _ in range(5)]
    with pytest.raises(PoolExhausted, match=r"all 5 pod addresses of 10\.239\.1\.0/29 and .* are in use"):
        world.network.attach(new_sandbox_id())
    pod = pods[2]
    world.network.release(pod.id)  # while its namespace, and so its link, still exists
    with pytest.raises(PoolExhausted):
        world.network.attach(new_sandbox_id())
    pod.close()
    world.wait_gone(pod)
    assert world.network.attach(new_sandbox_id()).ipv4 == pod.attachment.ipv4


@needs_nat
def test_a_flushed_ruleset_is_made_good_by_the_next_change(world: World) -> None:
    first = world.pod(HostPort("tcp", 8080, 80))
    world.host.show("nft flush ruleset")
    world.pod(HostPort("tcp", 8081, 80))
    with listening(first, first.v4, 80) as server:
        talk(world.outside, server, HOST_V4, 8080)
    world.host.show("nft flush ruleset")
    world.delete(first)


# --- leaving no trace -------------------------------------------------------------------------------------------------


def _state(host: Namespace) -> dict[str, str]:
    seen = {command: host.show(command) for command in ("nft list ruleset", "ip address", "ip route", "ip -6 route")}
    with host.entered():
        for path in sorted(Path("/proc/sys/net").glob("ipv[46]/conf/*/*")):
            if path.name in ("forwarding", "accept_ra", "route_localnet", "rp_filter"):
                seen[str(path)] = path.read_text()
    seen["ip_forward"] = host.sysctl("net/ipv4/ip_forward")
    seen["ip address"] = re.sub(r"(valid|preferred)_lft \S+", "", seen["ip address"])
    return seen


@needs_nat
def test_uninstall_puts_everything_back(world: World) -> None:
    world.network.uninstall()
    world.host.set_sysctl("net/ipv4/conf/up0/forwarding", "1")
    before = _state(world.host)
    world.restart()
    pods = [world.pod(HostPort("tcp", 8080, 80)), world.pod()]
    assert world.host.sysctl("net/ipv4/ip_forward") == "1"
    assert world.host.sysctl("net/ipv6/conf/all/forwarding") == "1"
    world.restart()
    world.network.uninstall()
    assert _state(world.host) == before
    assert list(world.store.table("network")) == []
    assert not world.network._sysctls._path.exists()
    for pod in pods:
        assert not link_exists(host_index(pod.attachment.ipv4, pod.attachment.ipv6))


def test_the_last_of_several_instances_puts_the_sysctls_back(world: World, tmp_path: Path) -> None:
    config = for_instance(tmp_path, "neighbour")
    with Store(config.paths.root) as store:
        neighbour = Network(config, store)
        neighbour.start()
        world.network.uninstall()
        assert world.host.sysctl("net/ipv4/ip_forward") == "1"
        neighbour.uninstall()
        assert world.host.sysctl("net/ipv4/ip_forward") == "0"
        assert world.host.sysctl("net/ipv6/conf/all/forwarding") == "0"


def test_an_instance_whose_directory_is_gone_counts_no_more(world: World, tmp_path: Path) -> None:
    config = for_instance(tmp_path, "gone")
    with Store(config.paths.root) as store:
        Network(config, store).start()
    shutil.rmtree(config.paths.root)
    world.network.uninstall()
    assert world.host.sysctl("net/ipv4/ip_forward") == "0"


@needs_nat
def test_deleted_pods_leave_nothing(world: World) -> None:
    def normal(state: dict[str, str]) -> dict[str, str]:
        return {key: re.sub(r"handle \d+", "", value) for key, value in state.items()}

    before = normal(_state(world.host))
    for pod in [world.pod(HostPort("tcp", 8080, 80), HostPort("udp", 53, 53, HOST_V6)), world.pod()]:
        world.delete(pod)
        world.wait_gone(pod)
    assert normal(_state(world.host)) == before


def _advertise(outside: Namespace, prefix: str) -> None:
    """A router advertisement with one prefix for autoconfiguration (RFC 4861, 4.2 and 4.6.2)."""
    option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, prefix)
    with outside.entered(), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        index = socket.if_nametoindex("up1")
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        raw.bind(("fe80::99", 0, 0, index))
        raw.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + option, ("ff02::1", 0, 0, index))


def _wait_for_address(host: Namespace, prefix: str) -> None:
    with host.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as events:
        events.bind((0, 0x100))  # RTMGRP_IPV6_IFADDR
        events.settimeout(20)
        while prefix not in (seen := host.show("ip -6 address show dev up0")) or "tentative" in seen:
            events.recv(65536)


def test_a_host_that_autoconfigures_goes_on_doing_so(world: World) -> None:
    world.network.uninstall()
    world.outside.ip("address add fe80::99/64 dev up1 nodad")
    _advertise(world.outside, "2001:db8:a::")
    _wait_for_address(world.host, "2001:db8:a:")
    world.restart()
    assert world.host.sysctl("net/ipv6/conf/up0/accept_ra") == "2"
    assert world.host.sysctl("net/ipv6/conf/default/accept_ra") == "1"
    _advertise(world.outside, "2001:db8:b::")
    _wait_for_address(world.host, "2001:db8:b:")
    world.network.uninstall()
    assert world.host.sysctl("net/ipv6/conf/up0/accept_ra") == "1"
