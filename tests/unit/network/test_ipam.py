from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyrt.ids import SandboxId
from pyrt.network.errors import NetworkError, PoolExhausted
from pyrt.network.ipam import Allocator, Pool
from pyrt.network.types import HostPort
from pyrt.network.veth import host_index
from pyrt.store import Store

SMALL = Pool(IPv4Network("10.9.0.0/29"), IPv6Network("fd00::/64"))
V6_ONLY = Pool(None, IPv6Network("fd00::/125"))


def nothing(index: int) -> bool:
    return False


def sandbox(number: int) -> SandboxId:
    return SandboxId(f"{number:064x}")


def test_network_gateway_and_broadcast_are_never_given_out(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        allocator = Allocator(store, SMALL, in_use=nothing)
        given = [SMALL.addresses(allocator.allocate(sandbox(number))) for number in range(SMALL.size)]
    assert [str(ipv4) for ipv4, _ in given] == [f"10.9.0.{n}" for n in range(2, 7)]
    assert [str(ipv6) for _, ipv6 in given] == [f"fd00::{n}" for n in range(2, 7)]
    assert [str(gateway) for gateway in SMALL.gateways] == ["10.9.0.1", "fd00::1"]


def test_sizes() -> None:
    assert SMALL.size == 5
    assert V6_ONLY.size == 6
    assert Pool(IPv4Network("10.231.0.0/16"), IPv6Network("fd00::/64")).size == 65533


def test_the_same_sandbox_has_the_same_slot(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        allocator = Allocator(store, SMALL, in_use=nothing)
        assert allocator.allocate(sandbox(1)) == allocator.allocate(sandbox(1)) == 0


def test_a_full_pool_is_one_clear_error(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        allocator = Allocator(store, SMALL, in_use=nothing)
        for number in range(SMALL.size):
            allocator.allocate(sandbox(number))
        with pytest.raises(PoolExhausted) as caught:
            allocator.allocate(sandbox(9))
        assert str(caught.value) == (
            "network: all 5 pod addresses of 10.9.0.0/29 and fd00::/64 are in use; "
            "delete pods, or configure a larger range"
        )
        allocator.release(sandbox(3))
        assert allocator.allocate(sandbox(9)) == 3


def test_a_released_address_rests_as_long_as_possible(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        allocator = Allocator(store, SMALL, in_use=nothing)
        order = []
        for number in range(8):
            order.append(allocator.allocate(sandbox(number)))
            allocator.release(sandbox(number))
        assert order == [0, 1, 2, 3, 4, 0, 1, 2]


def test_fresh_addresses_come_first_after_a_restart_too(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        allocator = Allocator(store, SMALL, in_use=nothing)
        for number in range(3):
            allocator.allocate(sandbox(number))
        for number in range(3):
            allocator.release(sandbox(number))
        assert Allocator(store, SMALL, in_use=nothing).allocate(sandbox(9)) == 3


def test_an_address_whose_link_still_exists_is_passed_over(tmp_path: Path) -> None:
    busy = {host_index(*SMALL.addresses(1))}
    with Store(tmp_path) as store:
        allocator = Allocator(store, SMALL, in_use=busy.__contains__)
        assert [allocator.allocate(sandbox(number)) for number in range(4)] == [0, 2, 3, 4]
        with pytest.raises(PoolExhausted):
            allocator.allocate(sandbox(5))
        busy.clear()
        assert allocator.allocate(sandbox(5)) == 1


def test_other_ranges_need_the_old_pods_gone(tmp_path: Path) -> None:
    other = Pool(IPv4Network("10.8.0.0/24"), None)
    links = {host_index(*SMALL.addresses(0))}
    with Store(tmp_path) as store:
        Allocator(store, SMALL, in_use=nothing).allocate(sandbox(1))
        with pytest.raises(NetworkError, match=r"change of the address ranges to 10\.8\.0\.0/24: a pod still has"):
            Allocator(store, other, in_use=links.__contains__)
        allocator = Allocator(store, other, in_use=nothing)
        assert allocator.records == {}
        assert allocator.allocate(sandbox(2)) == 0
        assert Allocator(store, other, in_use=links.__contains__).allocate(sandbox(2)) == 0


def test_ports_are_remembered(tmp_path: Path) -> None:
    port = HostPort("tcp", 8080, 80, "127.0.0.1")
    with Store(tmp_path) as store:
        allocator = Allocator(store, SMALL, in_use=nothing)
        allocator.allocate(sandbox(1))
        allocator.set_ports(sandbox(1), (port,))
        again = Allocator(store, SMALL, in_use=nothing)
        assert again.records[sandbox(1)].ports == (port,)
        assert again.retain([]) == [sandbox(1)]
        assert again.retain([sandbox(1)]) == []


def test_ipv6_alone_has_indexes_of_its_own() -> None:
    indexes = {host_index(*V6_ONLY.addresses(slot)) for slot in range(V6_ONLY.size)}
    assert len(indexes) == V6_ONLY.size
    assert all(2**29 <= index < 2**30 for index in indexes)
    assert host_index(IPv4Address("10.231.0.2"), None) >= 2**30


class Lifetime(RuleBasedStateMachine):
    """Pods come and go, their links linger, and the daemon is killed: no address is ever two pods' at once."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.store = Store(Path(self.directory.name))
        self.links: dict[int, SandboxId] = {}
        """What the kernel has, by interface index: links outlive the pods for a while."""
        self.pods: dict[SandboxId, int] = {}
        self.count = 0
        self.boot()

    def boot(self) -> None:
        self.allocator = Allocator(self.store, SMALL, in_use=lambda index: index in self.links)

    @rule()
    def create(self) -> None:
        self.count += 1
        new = sandbox(self.count)
        try:
            slot = self.allocator.allocate(new)
        except PoolExhausted:
            assert len({*self.pods.values(), *self.links}) >= SMALL.size
            return
        index = host_index(*SMALL.addresses(slot))
        assert index not in self.links
        assert index not in self.pods.values()
        self.links[index] = new
        self.pods[new] = index

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(sorted(self.pods)))
        del self.pods[gone]
        self.allocator.release(gone)

    @rule(data=st.data())
    def kernel_catches_up(self, data: st.DataObject) -> None:
        dead = [index for index, owner in self.links.items() if owner not in self.pods]
        for index in data.draw(st.sets(st.sampled_from(dead))) if dead else ():
            del self.links[index]

    @rule(data=st.data())
    def killed(self, data: st.DataObject) -> None:
        """kill -9 with some pods dying in the meantime; the next daemon finds out which live."""
        self.store.close()
        self.store = Store(Path(self.directory.name))
        dead = data.draw(st.sets(st.sampled_from(sorted(self.pods)))) if self.pods else set()
        for sandbox_id in dead:
            del self.pods[sandbox_id]
        self.boot()
        for sandbox_id in self.allocator.retain(list(self.pods)):
            self.allocator.release(sandbox_id)

    @rule()
    def killed_after_the_row_was_written(self) -> None:
        """The address is the sandbox's before anyone hears of it; the next daemon takes it back."""
        try:
            self.allocator.allocate(sandbox(10**6 + self.count))
        except PoolExhausted:
            return
        self.store.close()
        self.store = Store(Path(self.directory.name))
        self.boot()
        for sandbox_id in self.allocator.retain(list(self.pods)):
            self.allocator.release(sandbox_id)

    @invariant()
    def every_pod_has_its_own(self) -> None:
        records = self.allocator.records
        assert records.keys() == self.pods.keys()
        assert {key: host_index(*SMALL.addresses(record.slot)) for key, record in records.items()} == self.pods
        assert len(set(self.pods.values())) == len(self.pods)

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()


TestLifetime = Lifetime.TestCase
TestLifetime.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
