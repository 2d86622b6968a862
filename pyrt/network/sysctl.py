"""Kernel parameters that routing pods needs: recorded before they are changed, and put back on uninstall.

Only two are wanted: forwarding of each IP version. Both have side effects that must not be felt. Switching either on
or off writes every interface's own ``forwarding``; and an interface that forwards IPv6 ignores router advertisements
unless its ``accept_ra`` is 2 (Documentation/networking/ip-sysctl.rst), so a host that got its IPv6 address by
autoconfiguration would lose it some time later. Interfaces that face a network get ``accept_ra`` 2 first. Others do
not, nor does the default for interfaces to come: a pod's link must never take a router advertisement from the pod
(CVE-2020-10749).
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from pyrt.network.errors import NetworkError
from pyrt.store import Store

_SYSCTL = Path("/proc/sys")
_RTF_DEFAULT_FROM_ADVERTISEMENT = 0x00010000 | 0x00040000
"""RTF_DEFAULT | RTF_ADDRCONF (linux/ipv6_route.h)."""


def boot_id() -> str:
    """The identity of this boot of the machine."""
    return _read("kernel/random/boot_id")


class Sysctls:
    """What was changed, in the database, with the values from before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before = store.table("network-sysctls")

    def enable_forwarding(self, *, ipv4: bool, ipv6: bool) -> None:
        """Let this host route. Raises :class:`NetworkError` if it cannot and does not already."""
        if ipv4 and _read("net/ipv4/ip_forward") != "1":
            self._remember(["net/ipv4/ip_forward", *_per_interface("ipv4")])
            _write("net/ipv4/ip_forward", "1")
        if ipv6 and _read("net/ipv6/conf/all/forwarding") != "1":
            listening = [path for path in map(_accept_ra, _facing_a_network()) if _read(path) == "1"]
            self._remember(["net/ipv6/conf/all/forwarding", *_per_interface("ipv6"), *listening])
            for path in listening:
                _write(path, "2")
            _write("net/ipv6/conf/all/forwarding", "1")

    def _remember(self, paths: list[str]) -> None:
        with self._store.transaction(durable=True):
            for path in paths:
                if path not in self._before and (value := _read(path)):
                    self._before.put(path, msgspec.json.encode(value))

    def forget(self) -> None:
        """Drop the record: the machine was booted since, and has its own values again."""
        with self._store.transaction():
            for path in list(self._before):
                self._before.delete(path)

    def restore(self) -> None:
        """Put back what was there before, except where someone has changed it since."""
        before = {path: msgspec.json.decode(value, type=str) for path, value in self._before.items()}
        # The two switches first: they write the per-interface values, which then get their own.
        for path in sorted(before, key=lambda path: "/conf/" in path and "/all/" not in path):
            ours = "2" if path.endswith("/accept_ra") else "1"
            if before[path] == ours or _read(path) in (before[path], ""):
                continue
            if path.endswith(("ip_forward", "all/forwarding", "/accept_ra")) and _read(path) != ours:
                continue
            _write(path, before[path])
        for path, value in before.items():
            if path.endswith("/forwarding") and _read(path) not in (value, ""):
                _write(path, value)
        self.forget()


def _per_interface(family: str) -> list[str]:
    directory = f"net/{family}/conf"
    return [f"{directory}/{name}/forwarding" for name in _names(directory) if name != "all"]


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(_SYSCTL / directory))
    except FileNotFoundError:
        return []


def _accept_ra(interface: str) -> str:
    return f"net/ipv6/conf/{interface}/accept_ra"


def _facing_a_network() -> list[str]:
    """Interfaces with hardware behind them, or with a default route learnt from an advertisement."""
    found = {name for name in _names("net/ipv6/conf") if os.path.exists(f"/sys/class/net/{name}/device")}
    try:
        with open("/proc/net/ipv6_route") as routes:
            for line in routes:
                fields = line.split()
                if int(fields[8], 16) & _RTF_DEFAULT_FROM_ADVERTISEMENT == _RTF_DEFAULT_FROM_ADVERTISEMENT:
                    found.add(fields[9])
    except FileNotFoundError:
        pass
    return sorted(found - {"lo", "all", "default"})


def _read(path: str) -> str:
    """The value, or nothing if there is no such parameter (an interface that has gone)."""
    try:
        return (_SYSCTL / path).read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise NetworkError(operation=f"read sysctl {path.replace('/', '.')}", errno=error.errno) from error


def _write(path: str, value: str) -> None:
    try:
        (_SYSCTL / path).write_text(value)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NetworkError(operation=f"write sysctl {path.replace('/', '.')}={value}", errno=error.errno) from error
