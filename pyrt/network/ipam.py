"""Which addresses a pod gets, and when they may be used again.

The ranges are cut into slots: slot n is the n-th usable address of each family, so a pod's IPv4 and IPv6 addresses
stand for each other. A slot is in the database before it is given to anyone; a daemon that is killed between the two
has lost one slot until :meth:`Allocator.retain` takes it back.

A released address rests as long as possible: slots never used come first, then the one released longest ago. It is
given out again only when the link that had it is gone from the kernel (the end of a network namespace is asynchronous,
and the link's route would swallow the next pod's packets), which is asked at that moment, by interface index.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import msgspec

from pyrt.ids import SandboxId
from pyrt.network.errors import NetworkError, PoolExhausted
from pyrt.network.netlink import link_exists
from pyrt.network.types import HostPort
from pyrt.network.veth import host_index
from pyrt.store import Store

_FIRST_OFFSET = 2
"""Offset 0 is the network (IPv6: the subnet-router anycast address), offset 1 the host's own address in the range."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the database says of one sandbox."""

    slot: int
    ports: tuple[HostPort, ...] = ()


class _Ranges(msgspec.Struct, frozen=True):
    """What slots of this database mean, and how far they have been handed out."""

    ipv4: str
    ipv6: str
    fresh: int


@dataclass(frozen=True, slots=True)
class Pool:
    """The arithmetic between slots and addresses."""

    ipv4: IPv4Network | None
    ipv6: IPv6Network | None

    @property
    def size(self) -> int:
        """How many pods can have addresses at the same time."""
        sizes = []
        if self.ipv4 is not None:
            sizes.append(self.ipv4.num_addresses - _FIRST_OFFSET - 1)  # the last one is the broadcast address
        if self.ipv6 is not None:
            sizes.append(self.ipv6.num_addresses - _FIRST_OFFSET)
        return min(sizes)

    @property
    def gateways(self) -> tuple[IPv4Address | None, IPv6Address | None]:
        """The host's own address in each range."""
        return self._at(1)

    def addresses(self, slot: int) -> tuple[IPv4Address | None, IPv6Address | None]:
        """What the pod in ``slot`` is called."""
        return self._at(slot + _FIRST_OFFSET)

    def _at(self, offset: int) -> tuple[IPv4Address | None, IPv6Address | None]:
        return (
            None if self.ipv4 is None else self.ipv4.network_address + offset,
            None if self.ipv6 is None else self.ipv6.network_address + offset,
        )

    def __str__(self) -> str:
        return " and ".join(str(network) for network in (self.ipv4, self.ipv6) if network is not None)


class Allocator:
    """Hands out slots of a :class:`Pool`, durably: each in O(1), but for links that are slow to go."""

    def __init__(self, store: Store, pool: Pool, *, in_use: Callable[[int], bool] = link_exists) -> None:
        """``in_use`` says whether the kernel has a link of that index still.

        Raises :class:`NetworkError` if the database holds allocations from other ranges.
        """
        self._store = store
        self._table = store.table("network")
        self._meta = store.table("network-meta")
        self._pool = pool
        self._size = pool.size
        self._in_use = in_use
        self._records = {SandboxId(key): msgspec.json.decode(value, type=Record) for key, value in self._table.items()}
        fresh = self._load_ranges()
        used = {record.slot for record in self._records.values()}
        self._fresh = max(fresh, max(used, default=-1) + 1)
        """Slots below it have been used before."""
        self._released: deque[int] = deque(slot for slot in range(self._fresh) if slot not in used)
        """Oldest first, within one run of the daemon; by number after a restart."""

    def _load_ranges(self) -> int:
        value = self._meta.get("ranges")
        saved = None if value is None else msgspec.json.decode(value, type=_Ranges)
        here = (str(self._pool.ipv4 or ""), str(self._pool.ipv6 or ""))
        if saved is not None and (saved.ipv4, saved.ipv6) == here:
            return min(saved.fresh, self._size)
        if saved is not None:
            self._drop_gone(
                Pool(
                    IPv4Network(saved.ipv4) if saved.ipv4 else None,
                    IPv6Network(saved.ipv6) if saved.ipv6 else None,
                )
            )
        self._save_ranges(0)
        return 0

    def _drop_gone(self, old: Pool) -> None:
        """The ranges have changed: that is fine if no pod has addresses of the old ones any more."""
        for sandbox_id, record in list(self._records.items()):
            if self._in_use(host_index(*old.addresses(record.slot))):
                raise NetworkError(
                    f"a pod still has addresses of {old}; delete all pods first, or put the old value back",
                    subject="network",
                    operation=f"change of the address ranges to {self._pool}",
                )
            self._table.delete(sandbox_id)
            del self._records[sandbox_id]

    def _save_ranges(self, fresh: int) -> None:
        ranges = _Ranges(str(self._pool.ipv4 or ""), str(self._pool.ipv6 or ""), fresh)
        self._meta.put("ranges", msgspec.json.encode(ranges))

    @property
    def records(self) -> dict[SandboxId, Record]:
        """Every allocation. Not to be changed."""
        return self._records

    def allocate(self, sandbox_id: SandboxId) -> int:
        """A slot for a sandbox: the one it has, if it has one. Raises :class:`PoolExhausted`, StoreError."""
        record = self._records.get(sandbox_id)
        if record is not None:
            return record.slot
        slot = self._take()
        try:
            self._put(sandbox_id, Record(slot))
        except BaseException:
            self._released.appendleft(slot)
            raise
        return slot

    def set_ports(self, sandbox_id: SandboxId, ports: tuple[HostPort, ...]) -> None:
        """Note which host ports a sandbox has now."""
        self._put(sandbox_id, Record(self._records[sandbox_id].slot, ports))

    def _put(self, sandbox_id: SandboxId, record: Record) -> None:
        self._table.put(sandbox_id, msgspec.json.encode(record))
        self._records[sandbox_id] = record

    def _take(self) -> int:
        while self._fresh < self._size:
            slot = self._fresh
            self._fresh += 1
            if not self._busy(slot):
                return slot
            # A link that this database does not know, of a root directory that was removed under running pods.
            self._released.append(slot)
        for _ in range(len(self._released)):
            slot = self._released.popleft()
            if not self._busy(slot):
                return slot
            self._released.append(slot)
        raise PoolExhausted(
            f"all {self._size} pod addresses of {self._pool} are in use; delete pods, or configure a larger range",
            subject="network",
        )

    def _busy(self, slot: int) -> bool:
        return self._in_use(host_index(*self._pool.addresses(slot)))

    def release(self, sandbox_id: SandboxId) -> Record | None:
        """Take the slot back; what the sandbox had, ``None`` if nothing."""
        record = self._records.get(sandbox_id)
        if record is None:
            return None
        with self._store.transaction():
            self._table.delete(sandbox_id)
            self._save_ranges(self._fresh)
        del self._records[sandbox_id]
        self._released.append(record.slot)
        return record

    def retain(self, live: Collection[SandboxId]) -> list[SandboxId]:
        """The sandboxes that have addresses but are not among ``live``; the caller releases them."""
        keep = frozenset(live)
        return [sandbox_id for sandbox_id in self._records if sandbox_id not in keep]
