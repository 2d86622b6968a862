"""Kernel parameters that routing pods needs: recorded before they are changed, and put back on uninstall.

Only two are wanted: forwarding of each IP version. Both have side effects that must not be felt. Switching either on
or off writes every interface's own ``forwarding``; and an interface that forwards IPv6 ignores router advertisements
unless its ``accept_ra`` is 2 (Documentation/networking/ip-sysctl.rst), so a host that got its IPv6 address by
autoconfiguration would lose it some time later. Interfaces that face a network get ``accept_ra`` 2 first. Others do
not, nor does the default for interfaces to come: a pod's link must never take a router advertisement from the pod
(CVE-2020-10749).

Kernel parameters belong to the machine, not to one pyrt: several can run side by side. So the record is the machine's
as well, one file in /run for each network namespace that plays the host: what the values were before the first pyrt,
and which root directories use them. The last to leave puts them back. A reboot clears the file together with the
values.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyrt.network.errors import NetworkError

_SYSCTL = Path("/proc/sys")
_RTF_DEFAULT_FROM_ADVERTISEMENT = 0x00010000 | 0x00040000
"""RTF_DEFAULT | RTF_ADDRCONF (linux/ipv6_route.h)."""


def boot_id() -> str:
    """The identity of this boot of the machine."""
    return _read("kernel/random/boot_id")


@dataclass(slots=True)
class _Record:
    """The file's content."""

    before: dict[str, str] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    """Root directories; one that was removed with all that is in it uses nothing any more."""


class Sysctls:
    """What is changed on behalf of the pyrt whose state is in ``root``."""

    def __init__(self, root: Path, directory: Path = Path("/run")) -> None:
        self._root = str(root)
        namespace = os.stat("/proc/thread-self/ns/net").st_ino
        self._path = directory / f"pyrt-sysctls.{namespace}.json"

    def enable_forwarding(self, *, ipv4: bool, ipv6: bool) -> None:
        """Let this host route. Raises :class:`NetworkError` if it cannot and does not already."""
        with self._locked() as record:
            if self._root not in record.users:
                record.users.append(self._root)
            listening: list[str] = []
            changed: list[str] = []
            if ipv4 and _read("net/ipv4/ip_forward") != "1":
                changed += ["net/ipv4/ip_forward", *_per_interface("ipv4")]
            if ipv6 and _read("net/ipv6/conf/all/forwarding") != "1":
                listening = [path for path in map(_accept_ra, _facing_a_network()) if _read(path) == "1"]
                changed += ["net/ipv6/conf/all/forwarding", *_per_interface("ipv6"), *listening]
            for path in changed:
                if path not in record.before and (value := _read(path)):
                    record.before[path] = value
            self._write(record)
            for path in listening:
                _write(path, "2")
            for path in changed:
                if path in _SWITCHES:
                    _write(path, "1")

    def restore(self) -> None:
        """Leave; the last one puts back what was there before, except where someone has changed it since."""
        with self._locked() as record:
            if self._root in record.users:
                record.users.remove(self._root)
            if record.users:
                self._write(record)
                return
            # The switches first: they write the per-interface values, which then get their own.
            for path in sorted(record.before, key=lambda path: path not in _SWITCHES):
                value = record.before[path]
                now = _read(path)
                ours = "2" if path.endswith("/accept_ra") else "1"
                if now == value or (now != ours and not path.endswith("/forwarding")):
                    continue
                _write(path, value)
            self._path.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Generator[_Record, None, None]:
        """The record, with nobody else reading or writing it."""
        while True:
            try:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise NetworkError(operation=f"open {self._path}", errno=error.errno) from error
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                break
            os.close(fd)  # the last user removed it while we waited
        self._fd = fd
        try:
            yield self._load()
        finally:
            os.close(fd)

    def _load(self) -> _Record:
        text = os.pread(self._fd, 1 << 20, 0).decode()
        if not text:
            return _Record()
        # Not json.loads: a process killed between the two steps of _write leaves the end of a longer record behind.
        content: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
        return _Record(dict(content["before"]), [user for user in content["users"] if os.path.isdir(user)])

    def _write(self, record: _Record) -> None:
        text = json.dumps({"before": record.before, "users": record.users}).encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))


_SWITCHES = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


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
