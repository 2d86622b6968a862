"""What ``bench_kills`` looks at afterwards: pods against what they had to become, and the machine for what is left."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from kills_churn import ANY, LINES, Churn, Expected, Life

from pyrt.config import Config


def first_processes(keys: set[str]) -> Counter[str]:
    """How many containers run by the name of their ledger: processes that are the first of their PID namespace."""
    found: Counter[str] = Counter()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            if "/ledgers/" not in line:
                continue
            key = line.partition("/ledgers/")[2].partition(" ")[0]
            status = Path(f"/proc/{pid}/status").read_text()
            namespaces = next(text for text in status.splitlines() if text.startswith("NSpid:")).split()
            if key in keys and len(namespaces) > 2 and namespaces[-1] == "1":
                found[key] += 1
    return found


def pod_processes(config: Config) -> list[int]:
    """Pids of this instance's pod processes: their working directory or command line is in its run directory."""
    run = str(config.paths.run)
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"(spare)" in line:
                continue  # the daemon's, and gone with it
            if b"pyrt-pod" in line and (run.encode() in line or os.readlink(f"/proc/{pid}/cwd").startswith(run)):
                found.append(int(pid))
    return found


def addresses(config: Config) -> Counter[str]:
    """In how many network namespaces of pods each IPv6 address is."""
    namespaces: dict[str, set[str]] = {}
    for pid in pod_processes(config):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/net/if_inet6").read_text().splitlines()
            # By namespace: a pod process that is just starting a container has children that look like itself.
            namespaces[os.readlink(f"/proc/{pid}/ns/net")] = {w[0] for w in map(str.split, lines) if w[-1] == "eth0"}
    return Counter(address for found in namespaces.values() for address in found)


def doubled(config: Config, churn: Churn, items: dict[str, dict[str, Any]]) -> list[str]:
    """What there is twice at this moment: containers, or addresses."""
    keys = {life.key(name) for life in churn.lives.values() for name in life.containers}
    found = [f"{count} instances of {key} run" for key, count in first_processes(keys).items() if count > 1]
    found += [f"{count} pods have the address {one}" for one, count in addresses(config).items() if count > 1]
    told = Counter(
        one["ip"]
        for item in items.values()
        if item["status"].get("phase") == "Running"
        for one in item["status"].get("podIPs", ())
    )
    return found + [f"{count} pods show the address {address}" for address, count in told.items() if count > 1]


class Verdict:
    """One pod against what it had to become."""

    def __init__(self, life: Life, item: dict[str, Any], churn: Churn, config: Config) -> None:
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self._life, self._item, self._config = life, item, config
        status = item["status"]
        if status.get("phase") != life.phase:
            self._miss(f"phase {status.get('phase')}, not {life.phase}")
        told = {one["name"]: one for one in status.get("containerStatuses", [])}
        told |= {one["name"]: one for one in status.get("initContainerStatuses", [])}
        for name in life.containers:
            self._container(name, told.get(name, {}), churn.runs(life, name))

    def _miss(self, text: str) -> None:
        self.lost.append(f"pod {self._life.name}: {text}")

    def _twice(self, text: str) -> None:
        self.doubled.append(f"pod {self._life.name}: {text}")

    def _container(self, name: str, status: dict[str, Any], runs: int) -> None:
        expected = self._life.containers[name]
        if runs < expected.runs:
            self._miss(f"{name} ran {runs} times, not {expected.runs}")
        elif runs > expected.runs:
            self._twice(f"{name} ran {runs} times, not {expected.runs}")
        count = status.get("restartCount", -1)
        if count != expected.runs - 1:
            (self._miss if count < expected.runs - 1 else self._twice)(f"{name} has restartCount {count}")
        state = status.get("state", {})
        if expected.exit_code is None:
            if "running" not in state:
                self._miss(f"{name} is {state}")
        elif expected.exit_code == ANY:
            if "terminated" not in state:
                self._miss(f"{name} is {state}")
        elif state.get("terminated", {}).get("exitCode") != expected.exit_code:
            self._miss(f"{name} is {state}, exit code {expected.exit_code} expected")
        last = status.get("lastState", {}).get("terminated", {})
        if expected.previous is not None and last.get("exitCode") != expected.previous:
            self._miss(f"{name}: the instance before is {last}, exit code {expected.previous} expected")
        self._logs(name, expected)

    def _logs(self, name: str, expected: Expected) -> None:
        meta = self._item["metadata"]
        directory = self._config.paths.logs / f"{meta['namespace']}_{meta['name']}_{meta['uid']}" / name
        for attempt in range(expected.runs):
            try:
                text = (directory / f"{attempt}.log").read_text()
            except OSError:
                self._miss(f"{name}/{attempt}.log is not there")
                continue
            ended = expected.exit_code is not None or attempt < expected.runs - 1
            self._lines(f"{name}/{attempt}.log", text, ended and not expected.cut)

    def _lines(self, log: str, text: str, ended: bool) -> None:
        records = [line.split(" ", 3) for line in text.splitlines()]
        numbers = [int(record[3].removeprefix("line ")) for record in records if len(record) == 4]
        if len(numbers) != len(set(numbers)):
            self._twice(f"{log} repeats lines")
        if sorted(set(numbers)) != list(range(1, len(set(numbers)) + 1)) or not numbers:
            self._miss(f"{log} has gaps")
        if ended and set(numbers) != set(range(1, LINES + 1)):
            self._miss(f"{log} has {len(set(numbers))} lines, not {LINES}")
        if any(record[2] != "F" for record in records):
            self._miss(f"{log} has torn lines")


def leaked(config: Config, uids: set[str], keys: set[str]) -> list[str]:
    """What there still is of pods that are gone, everywhere on the machine."""
    everything = not uids

    def of_them(name: str) -> bool:
        return everything or any(uid in name for uid in uids)

    found = [f"process {key}" for key in first_processes(keys)]
    for root in Path("/sys/fs/cgroup").iterdir():
        for directory, names, _ in os.walk(root / config.cgroup.parent):
            found += [f"cgroup {directory}/{name}" for name in names if name.startswith("pod") and of_them(name)]
    for directory in (config.paths.root / "pods", config.paths.logs):
        found += [f"directory {entry}" for entry in directory.iterdir() if of_them(entry.name)]
    if not everything:
        return found
    found += [f"process {pid} (pyrt-pod)" for pid in pod_processes(config)]
    prefix = config.network.interface_prefix
    found += [f"link {name}" for name in os.listdir("/sys/class/net") if name.startswith(prefix)]
    run = str(config.paths.run)
    found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if run in line]
    for directory in (config.paths.run / "pods", config.paths.root / "containers", config.paths.root / "trash"):
        found += [f"directory {entry}" for entry in directory.iterdir()] if directory.exists() else []
    return found


def rows(config: Config) -> list[str]:
    """What the database of a daemon without pods still says of pods; the daemon must not run."""
    found = []
    with contextlib.closing(sqlite3.connect(config.paths.root / "pyrt.db")) as database:
        for table, key in database.execute("SELECT collection, key FROM records").fetchall():
            if table in ("sandboxes", "containers", "network", "pod-leftovers"):
                found.append(f"row {table}/{key}")
    return found
