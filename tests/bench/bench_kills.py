"""kill -9 of the daemon at any instant: nothing may be lost, doubled, or left behind.

    bench_kills.py [--rounds N] [--seed N]

Each round makes and deletes pods over the API while the daemon is killed: at a random moment, an instant after
requests were sent, or while it takes over from the one before. Then it is started again, and what is there is compared
with what was asked for. At the end every pod must be what its spec says, and after the last deletion the machine must
be clean. The last line is ``N rounds, N lost, N doubled, N leaked``; the exit code is 0 if all of them are 0.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import harness
import msgspec
from daemon import IMAGE, docker_archive
from kills_audit import Verdict, doubled, leaked, pod_processes, rows
from kills_churn import Churn, listing

from pyrt.client.api import Api
from pyrt.client.errors import ClientError
from pyrt.config import dump_config, for_instance

PATIENCE = 60
"""Seconds until what does not become right is wrong."""


class Victim:
    """The daemon: started, killed, started again."""

    def __init__(self, directory: Path) -> None:
        config = for_instance(directory, "kills")
        # A small range: addresses must come round again while the bench runs.
        network = msgspec.structs.replace(config.network, ipv4_cidr=config.network.ipv4_cidr.split("/")[0] + "/26")
        self.config = msgspec.structs.replace(config, network=network)
        self._file = directory / "config.toml"
        self._file.write_text(dump_config(self.config))
        self.log = directory / "daemon.log"
        self.api = Api(str(self.config.api_socket), timeout=PATIENCE)
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Begin to start it."""
        code = "import sys; from pyrt.daemon import run; sys.exit(run(sys.argv[1], log_level='DEBUG'))"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(self._file)], stdout=log, stderr=log, start_new_session=True
            )

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self._process is None:
            self.spawn()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.api.open("GET", "/readyz").close()
            except ClientError:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the daemon did not start:\n{self.log.read_text()[-3000:]}") from None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """kill -9; nothing if it is dead. From any thread."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def reap(self) -> None:
        """After :meth:`kill`."""
        if self._process is not None:
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """In good order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE)
            self._process = None


class Bench:
    """The rounds, and what they found."""

    def __init__(self, directory: Path, chance: random.Random) -> None:
        self._chance = chance
        self.victim = Victim(directory)
        ledgers = directory / "ledgers"
        ledgers.mkdir()
        self.churn = Churn(chance, ledgers, self.victim.api)
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.leaked: list[str] = []

    def round(self, number: int) -> None:
        """Requests until the daemon dies; then the next one, and a first look."""
        way = self._chance.choice(("any moment", "after requests", "after requests", "while taking over"))
        harness.note(f"round {number}: killed {way}; {len(self.churn.present)} pods")
        if way == "after requests":
            for _ in range(self._chance.randrange(3)):
                self.churn.step()
            self.churn.send_and_leave(self.victim.kill)
        else:
            self._requests_until(self._chance.choice((0.1, 0.5, 1.0, 2.0)) * self._chance.random())
        self.victim.reap()
        if way == "while taking over":
            self.victim.spawn()
            time.sleep(0.2 + self._chance.random())
            self.victim.kill()
            self.victim.reap()
        self.victim.start()
        items = listing(self.victim.api)
        self.lost += self.churn.settle_doubts(items)
        self.doubled += doubled(self.victim.config, self.churn, items)

    def _requests_until(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self.victim.kill)
        timer.start()
        try:
            while True:
                self.churn.step()
                time.sleep(self._chance.choice((0, 0.01, 0.05)))
        except ClientError as error:
            harness.note(f"  {error}")
        finally:
            timer.join()

    def judge(self) -> None:
        """Wait until every pod is what it has to be; what is not is lost or doubled."""
        deadline = time.monotonic() + PATIENCE
        while True:
            items = listing(self.victim.api)
            lost, double = [], []
            for life in self.churn.present:
                if life.name not in items:
                    lost.append(f"pod {life.name} is not there")
                    continue
                verdict = Verdict(life, items[life.name], self.churn, self.victim.config)
                lost += verdict.lost
                double += verdict.doubled
            if not lost or double or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        gone = [life for life in self.churn.lives.values() if not life.accepted or life.deleted]
        for life in gone:
            for name, expected in life.containers.items():
                runs = self.churn.runs(life, name)
                if runs > expected.runs:
                    double.append(f"pod {life.name}, deleted: {name} ran {runs} times, not {expected.runs}")
        self.lost += lost
        self.doubled += double + doubled(self.victim.config, self.churn, items)
        uids = {life.uid for life in gone if life.uid}
        keys = {life.key(name) for life in gone for name in life.containers}
        if uids:
            self.leaked += self._until_clean(uids, keys)

    def _until_clean(self, uids: set[str], keys: set[str]) -> list[str]:
        deadline = time.monotonic() + PATIENCE / 2
        while (found := leaked(self.victim.config, uids, keys)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def clear(self) -> None:
        """Delete every pod, killing the daemon once more on the way; then nothing may be left."""
        for pod in listing(self.victim.api):
            try:
                self.victim.api.call("DELETE", f"/api/v1/namespaces/default/pods/{pod}", {"gracePeriodSeconds": 1})
            except ClientError as error:
                harness.note(f"  delete {pod}: {error}")
        time.sleep(self._chance.random() * 0.5)
        self.victim.kill()
        self.victim.reap()
        self.victim.start()
        keys = {life.key(name) for life in self.churn.lives.values() for name in life.containers}
        deadline = time.monotonic() + PATIENCE
        while listing(self.victim.api) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.leaked += [f"pod {name} does not go" for name in listing(self.victim.api)]
        self.leaked += self._until_clean(set(), keys)
        self.victim.stop()
        self.leaked += rows(self.victim.config)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    harness.note(f"seed {seed}")
    with harness.scratch() as directory:
        directory.chmod(0o755)
        bench = Bench(directory, random.Random(seed))
        victim = bench.victim
        try:
            victim.start()
            archive = docker_archive(directory, harness.busybox_root(directory))
            victim.api.call("POST", "/apis/pyrt.dev/v1/images/import", {"path": str(archive), "tag": IMAGE})
            bench.churn.prepare()
            for number in range(1, options.rounds + 1):
                bench.round(number)
            bench.judge()
            bench.clear()
            trace = "Traceback" in victim.log.read_text()
        finally:
            wreck(victim)
        findings = {"lost": bench.lost, "doubled": bench.doubled, "leaked": bench.leaked}
        for kind, found in findings.items():
            for text in found:
                harness.note(f"{kind}: {text}")
        if any(findings.values()) or trace:
            kept = Path(f"/var/tmp/pyrt-kills-{seed}.log")
            shutil.copy(victim.log, kept)
            harness.note(f"the daemon's log is {kept}" + (", with an internal error" if trace else ""))
    for kind, found in findings.items():
        harness.row("kills", kind, len(found), f"in {options.rounds} rounds")
    print(f"{options.rounds} rounds, " + ", ".join(f"{len(found)} {kind}" for kind, found in findings.items()))
    return 1 if any(findings.values()) or trace else 0


def wreck(victim: Victim) -> None:
    """Whatever happened: leave nothing on the machine, also with a daemon that does not start any more."""
    victim.kill()
    victim.reap()
    with contextlib.suppress(RuntimeError):
        victim.start()
    for pid in () if victim.alive() else pod_processes(victim.config):
        os.kill(pid, signal.SIGKILL)
    command = [sys.executable, "-m", "pyrt.cli", "--config", str(victim._file), "system", "reset", "--yes"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        harness.note(f"system reset: {done.stderr}")
    victim.reap()


if __name__ == "__main__":
    sys.exit(main())
