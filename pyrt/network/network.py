"""The pods' network of one daemon: what the runtime calls.

A pod's life here: :meth:`Network.attach` before its process starts, :meth:`Network.release` after it is gone, and
:meth:`Network.recover` once per daemon with the pods that are still there. All are synchronous and fast; none talks to
anything but the kernel and the database.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable

from pyrt.config import Config
from pyrt.ids import SandboxId
from pyrt.network import hostinfo, netlink, ruleset
from pyrt.network.conntrack import forget_udp
from pyrt.network.errors import NetworkError
from pyrt.network.hostports import HostPorts, describe, host_address, versions
from pyrt.network.ipam import Allocator, Pool
from pyrt.network.nftables import Nftables
from pyrt.network.sysctl import Sysctls, boot_id
from pyrt.network.types import Attachment, HostPort
from pyrt.network.veth import attachment, host_index, host_name, host_options
from pyrt.store import Store


class Network:
    """Addresses, links and host ports of all pods."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config.network
        self._store = store
        self._nft = Nftables()
        self._sysctls = Sysctls(config.paths.root)
        self._ports = HostPorts()
        self._allocator: Allocator | None = None
        self._pool = Pool(self._config.ipv4, self._config.ipv6)
        self._kernel_has_ipv6 = True
        self.mtu = self._config.mtu
        """Of every pod's eth0; known after :meth:`start`."""
        self.nat = False
        """Whether the kernel can translate addresses: without, no host ports and no way out of the pods' range."""
        self._no_nat = ""
        self.warnings: tuple[str, ...] = ()
        """What :meth:`start` had to do without, each a sentence for the operator."""

    def start(self) -> None:
        """Make this host a router for pods. Repeating it, also by the next daemon, changes nothing for running pods.

        Raises :class:`NetworkError` if no pod could have a network; what is merely missing goes to :attr:`warnings`.
        """
        warnings: list[str] = []
        self._kernel_has_ipv6 = hostinfo.has_ipv6()
        ipv6 = self._config.ipv6
        if ipv6 is not None and (not self._kernel_has_ipv6 or hostinfo.ipv6_disabled()):
            reason = "net.ipv6.conf.*.disable_ipv6 is 1" if self._kernel_has_ipv6 else "the kernel has no IPv6"
            warnings.append(f"pods get no IPv6 address: {reason}")
            ipv6 = None
        ipv4 = self._config.ipv4
        if ipv4 is None and ipv6 is None:
            raise NetworkError(f"pods cannot have any address: {warnings[0]}", subject="network")
        self._pool = Pool(ipv4, ipv6)
        self.mtu = self._config.mtu or hostinfo.default_mtu()
        self._forget_previous_boot()
        self._allocator = Allocator(self._store, self._pool)
        self._sysctls.enable_forwarding(ipv4=ipv4 is not None, ipv6=ipv6 is not None)
        netlink.send(
            (
                netlink.address(netlink.RTM_NEWADDR, netlink.LOOPBACK_INDEX, gateway.packed),
                f"ip address add {gateway}/{gateway.max_prefixlen} dev lo",
            )
            for gateway in self._pool.gateways
            if gateway is not None
        )
        for sandbox_id, record in self._allocator.records.items():
            self._ports.add(sandbox_id, record.ports)
        try:
            self._nft.run(self.rules())
            self.nat = True
        except NetworkError as error:
            # Not fatal: pods reach each other and the host all the same, by routes.
            self.nat = False
            self._no_nat = str(error)
            warnings.append(f"no masquerading and no host ports: {error} (needed: nf_tables with inet and nat)")
        # Putting the table in its place has made the library read the rules of the whole machine, which it would keep.
        self._nft.close()
        self.warnings = tuple(warnings)

    def _forget_previous_boot(self) -> None:
        """No pod and no link outlives a boot."""
        table = self._store.table("network-meta")
        boot = boot_id().encode()
        if table.get("boot") == boot:
            return
        with self._store.transaction():
            if table.get("boot") is not None:
                allocations = self._store.table("network")
                for sandbox_id in list(allocations):
                    allocations.delete(sandbox_id)
            table.put("boot", boot)

    def _started(self) -> Allocator:
        if self._allocator is None:
            raise NetworkError("not started", subject="network")
        return self._allocator

    def families(self) -> list[ruleset.Family]:
        """The IP versions that pods have."""
        networks = (self._pool.ipv4, self._pool.ipv6)
        return [
            ruleset.Family(network, gateway)
            for network, gateway in zip(networks, self._pool.gateways, strict=True)
            if network is not None and gateway is not None
        ]

    def rules(self) -> str:
        """The whole of the nftables table as it should be now, in nft's language."""
        present: list[ruleset.Element] = []
        if self._allocator is not None:
            for record in self._allocator.records.values():
                present += ruleset.elements(record.ports, *self._pool.addresses(record.slot))
        return ruleset.table(
            self._config.nft_table,
            self._config.interface_prefix,
            self.families(),
            masquerade=self._config.masquerade,
            present=present,
        )

    def attach(self, sandbox_id: SandboxId, host_ports: Iterable[HostPort] = ()) -> Attachment:
        """Addresses for a sandbox, durably its own, its published ports, and the messages that make its link.

        0.2 ms without host ports. Asked again for the same sandbox it gives the same addresses. Raises
        :class:`~pyrt.network.errors.PoolExhausted`, :class:`~pyrt.network.errors.PortTaken`, NetworkError,
        StoreError; nothing is left behind then.
        """
        allocator = self._started()
        known = sandbox_id in allocator.records
        ports = tuple(host_ports)
        if ports:
            self._check(sandbox_id, ports)
        slot = allocator.allocate(sandbox_id)
        try:
            if ports:
                self.publish(sandbox_id, ports)
        except BaseException:
            if not known:
                allocator.release(sandbox_id)
            raise
        ipv4, ipv6 = self._pool.addresses(slot)
        return attachment(
            name=host_name(self._config.interface_prefix, sandbox_id),
            mtu=self.mtu,
            ipv4=ipv4,
            ipv6=ipv6,
            kernel_has_ipv6=self._kernel_has_ipv6,
            route_localnet=bool(allocator.records[sandbox_id].ports),
        )

    def _check(self, sandbox_id: SandboxId, ports: tuple[HostPort, ...]) -> None:
        if not self.nat:
            raise NetworkError(f"the kernel cannot translate addresses: {self._no_nat}", operation=describe(ports[0]))
        have = {network.version for network in (self._pool.ipv4, self._pool.ipv6) if network is not None}
        for port in ports:
            if not have & set(versions(port)):
                raise NetworkError(
                    f"pods have no IPv{versions(port)[0]} address to publish it to", operation=describe(port)
                )
            address = host_address(port)
            if address is not None and address.version == 6 and address.is_loopback:
                raise NetworkError(
                    "Linux cannot translate ::1; use 127.0.0.1 or another address", operation=describe(port)
                )
        self._ports.check(sandbox_id, ports)

    def publish(self, sandbox_id: SandboxId, host_ports: Iterable[HostPort]) -> None:
        """Make host ports lead to an attached sandbox, in place of those that it has.

        Raises :class:`~pyrt.network.errors.PortTaken`, NetworkError, StoreError, and changes nothing then.
        """
        allocator = self._started()
        record = allocator.records.get(sandbox_id)
        if record is None:
            raise NetworkError("has no addresses", subject=f"pod sandbox {sandbox_id[:13]}")
        ports = tuple(host_ports)
        if ports == record.ports:
            return
        if ports:
            self._check(sandbox_id, ports)
        ipv4, ipv6 = self._pool.addresses(record.slot)
        old, new = ruleset.elements(record.ports, ipv4, ipv6), ruleset.elements(ports, ipv4, ipv6)
        # The row first: an element without a row would outlive a crash; a row without an element is made good by the
        # next start.
        allocator.set_ports(sandbox_id, ports)
        try:
            table = self._config.nft_table
            commands = ruleset.delete_elements(table, old) + ruleset.add_elements(table, new)
            if self.nat and commands:
                self._apply(commands)
        except BaseException:
            allocator.set_ports(sandbox_id, record.ports)
            raise
        self._ports.remove(sandbox_id, record.ports)
        self._ports.add(sandbox_id, ports)
        datagrams = {port.host_port for port in (*record.ports, *ports) if port.protocol == "udp"}
        if datagrams and self.nat:
            forget_udp(datagrams, [family.network for family in self.families()])
        index = host_index(ipv4, ipv6)
        if ports and not record.ports and netlink.link_exists(index):
            options = host_options(index, ipv6=self._kernel_has_ipv6, route_localnet=True)
            netlink.send([(options, f"route_localnet of the link of pod sandbox {sandbox_id[:13]}")])

    def _apply(self, commands: str) -> None:
        try:
            self._nft.run(commands)
        except NetworkError:
            # Someone flushed the ruleset, or removed an element by hand: the database knows what should be there.
            self._nft.run(self.rules())

    def addresses(self, sandbox_id: SandboxId) -> tuple[str, ...]:
        """What a sandbox is called, IPv4 first; nothing if it has no addresses here."""
        record = self._started().records.get(sandbox_id)
        if record is None:
            return ()
        return tuple(str(ip) for ip in self._pool.addresses(record.slot) if ip is not None)

    def release(self, sandbox_id: SandboxId) -> None:
        """Take back what a sandbox had; nothing happens if it had nothing.

        To be called when its processes are gone. Its link goes with its network namespace, some time after; until
        then its addresses are not given to another.
        """
        allocator = self._started()
        record = allocator.records.get(sandbox_id)
        if record is None:
            return
        if record.ports:
            self.publish(sandbox_id, ())
        allocator.release(sandbox_id)

    def recover(self, live: Collection[SandboxId]) -> list[SandboxId]:
        """Release whatever belongs to sandboxes that are not among ``live``, and say which those were."""
        dead = self._started().retain(live)
        for sandbox_id in dead:
            self.release(sandbox_id)
        return dead

    def stop(self) -> None:
        """Let go of the library's resources. Pods keep their network."""
        self._nft.close()

    def uninstall(self) -> None:
        """Take everything back: links, addresses, nftables, sysctls. For a machine that is to forget pyrt.

        Works without :meth:`start`. Pods that still run lose their network.
        """
        allocator = self._allocator or Allocator(self._store, self._pool)
        links = []
        for sandbox_id, record in allocator.records.items():
            index = host_index(*self._pool.addresses(record.slot))
            if netlink.link_exists(index):
                name = host_name(self._config.interface_prefix, sandbox_id)
                links.append((netlink.delete_link(index), f"ip link delete {name}"))
        netlink.send(links, ignore=(errno.ENODEV,))
        for sandbox_id in list(allocator.records):
            allocator.release(sandbox_id)
        try:
            self._nft.run(ruleset.remove_table(self._config.nft_table))
        except NetworkError:
            # Where nothing could be set up, nothing can be removed.
            if self.nat:
                raise
        netlink.send(
            (
                (
                    netlink.address(netlink.RTM_DELADDR, netlink.LOOPBACK_INDEX, gateway.packed),
                    f"ip address delete {gateway} dev lo",
                )
                for gateway in self._pool.gateways
                if gateway is not None
            ),
            ignore=(errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EOPNOTSUPP),
        )
        self._sysctls.restore()
        self._nft.close()
        self._allocator = None
