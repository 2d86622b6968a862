"""What ``bench_kills`` does to a daemon: pods of every kind come and go, and it is written down what each must become.

Every container appends a line to a file of its own on the host (its ledger) before anything else, so how often it
really ran is known from outside pyrt.
"""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any

from daemon import IMAGE, PODS

from pyrt.client.api import Api
from pyrt.client.http import connect

LINES = 40
CONFIG, WORD = "words", "hello"
"""The ConfigMap of all pods, and what is in it."""
ANY = -1
"""An exit code that nobody knows beforehand."""
MOST_PODS = 18
"""At the same time: enough to have every kind in every state, few enough for a small machine."""

COUNT = "i=0; while [ $i -lt %d ]; do i=$((i+1)); echo line $i; done"
FOREVER = "trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.%d & wait $!; done"


@dataclass(slots=True)
class Expected:
    """One container: how often it runs, and what is left of it."""

    runs: int = 1
    exit_code: int | None = None
    """Of its last instance; ``None`` while it runs on, ``ANY`` if it was ended by a signal."""
    previous: int | None = None
    """Exit code of the instance before."""
    cut: bool = False
    """Instances are ended from outside: their logs end anywhere."""


@dataclass(slots=True)
class Life:
    """One pod that was asked for."""

    name: str
    manifest: dict[str, Any]
    containers: dict[str, Expected]
    phase: str
    uid: str = ""
    accepted: bool = False
    """The daemon answered 201, or showed the pod later."""
    deleted: bool = False
    """The daemon accepted its deletion, or showed that it had."""
    unsure_deletion: bool = False
    addresses: set[str] = field(default_factory=set)
    tag: str = ""
    """Of the churn: another one on the same machine has pods of the same names."""

    def key(self, container: str) -> str:
        """Name of the ledger; also in the container's command line."""
        return f"{self.tag}.{self.name}.{container}"


class Churn:
    """Makes and deletes pods at random."""

    def __init__(self, chance: random.Random, ledgers: Path, api: Api) -> None:
        self._chance = chance
        self._ledgers = ledgers
        self._api = api
        self.lives: dict[str, Life] = {}
        self._made = 0
        self._tag = secrets.token_hex(3)

    def runs(self, life: Life, container: str) -> int:
        """How often a container has really run."""
        try:
            return len((self._ledgers / life.key(container)).read_text().splitlines())
        except FileNotFoundError:
            return 0

    @property
    def present(self) -> list[Life]:
        """Pods that are to be there."""
        return [life for life in self.lives.values() if life.accepted and not life.deleted]

    # --- kinds of pods ---------------------------------------------------------------------------------------------

    def new(self) -> Life:
        """The next pod, not created yet."""
        self._made += 1
        kinds = (
            *(self._job, self._job, self._retry, self._runner, self._flapper, self._steps),
            *(self._crasher, self._beside, self._served, self._stumble, self._again, self._configured),
        )
        life = self._chance.choice(kinds)(f"k{self._made}")
        life.tag = self._tag
        self.lives[life.name] = life
        return life

    def _ledger(self, pod: str, name: str) -> str:
        return f"/ledgers/{self._tag}.{pod}.{name}"

    def _container(self, pod: str, name: str, script: str, **more: Any) -> dict[str, Any]:
        mounts = [{"name": "ledgers", "mountPath": "/ledgers"}, *more.pop("mounts", ())]
        ledger = self._ledger(pod, name)
        first = f"again=; [ -e {ledger} ] && again=1; echo run >>{ledger}; "
        return {
            "name": name,
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", first + script],
            "volumeMounts": mounts,
            **more,
        }

    def _pod(self, name: str, policy: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
        volumes = [{"name": "ledgers", "hostPath": {"path": str(self._ledgers)}}, *spec.pop("volumes", ())]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": policy,
                "terminationGracePeriodSeconds": self._chance.choice((0, 2, 5)),
                "containers": list(containers),
                "volumes": volumes,
                **spec,
            },
        }

    def _job(self, name: str) -> Life:
        code = self._chance.choice((0, 0, 7))
        pause = self._chance.choice(("", "sleep 0.1; ", "sleep 0.6; "))
        script = f"{pause}{COUNT % LINES}; {pause}exit {code}"
        phase = "Failed" if code else "Succeeded"
        manifest = self._pod(name, "Never", self._container(name, "app", script))
        return Life(name, manifest, {"app": Expected(1, code)}, phase)

    def _retry(self, name: str) -> Life:
        script = f"{COUNT % LINES}; [ $again ] || exit 5; exit 0"
        manifest = self._pod(name, "OnFailure", self._container(name, "app", script))
        return Life(name, manifest, {"app": Expected(2, 0, 5)}, "Succeeded")

    def _runner(self, name: str) -> Life:
        containers = ["app", "two"][: self._chance.choice((1, 1, 2))]
        policy = self._chance.choice(("Always", "OnFailure", "Never"))
        made = [self._container(name, one, FOREVER % self._chance.choice((1, 3))) for one in containers]
        return Life(name, self._pod(name, policy, *made), {one: Expected() for one in containers}, "Running")

    def _flapper(self, name: str) -> Life:
        script = f"[ $again ] || {{ {COUNT % LINES}; exit 3; }}; {FOREVER % 2}"
        manifest = self._pod(name, "Always", self._container(name, "app", script))
        return Life(name, manifest, {"app": Expected(2, None, 3)}, "Running")

    def _steps(self, name: str) -> Life:
        mounts = [{"name": "data", "mountPath": "/data"}]
        one = self._container(name, "one", f"{COUNT % LINES}; echo 1 >/data/one", mounts=mounts)
        two = self._container(name, "two", f"[ -e /data/one ] && echo 2 >/data/two; {COUNT % LINES}", mounts=mounts)
        last = self._container(name, "app", f"{COUNT % LINES}; [ -e /data/two ] && exit 6; exit 1", mounts=mounts)
        medium = self._chance.choice(({}, {"medium": "Memory"}))
        volumes = [{"name": "data", "emptyDir": medium}]
        manifest = self._pod(name, "Never", last, initContainers=[one, two], volumes=volumes)
        expected = {"one": Expected(1, 0), "two": Expected(1, 0), "app": Expected(1, 6)}
        return Life(name, manifest, expected, "Failed")

    def _crasher(self, name: str) -> Life:
        """Ends twice, so that it has to wait for its second restart."""
        script = f"[ $(wc -l <{self._ledger(name, 'app')}) -ge 3 ] || {{ {COUNT % LINES}; exit 3; }}; {FOREVER % 2}"
        manifest = self._pod(name, "Always", self._container(name, "app", script))
        return Life(name, manifest, {"app": Expected(3, None, 3)}, "Running")

    def _sidecar(self, pod: str, name: str, script: str, **more: Any) -> dict[str, Any]:
        return self._container(pod, name, script, restartPolicy="Always", **more)

    def _beside(self, name: str) -> Life:
        """A job with an init container between two sidecars."""
        code = self._chance.choice((0, 0, 4))
        inits = [
            self._sidecar(name, "proxy", FOREVER % 1),
            self._container(name, "init", COUNT % LINES),
            self._sidecar(name, "log", FOREVER % 3),
        ]
        app = self._container(name, "app", f"{COUNT % LINES}; exit {code}")
        manifest = self._pod(name, "Never", app, initContainers=inits)
        expected = {
            "proxy": Expected(1, ANY, cut=True),
            "init": Expected(1, 0),
            "log": Expected(1, ANY, cut=True),
            "app": Expected(1, code),
        }
        return Life(name, manifest, expected, "Failed" if code else "Succeeded")

    def _served(self, name: str) -> Life:
        """A sidecar ends once, and is started again beside the container that it serves."""
        once = f"[ $again ] || {{ {COUNT % LINES}; exit 8; }}; {FOREVER % 2}"
        inits = [self._sidecar(name, "proxy", once), self._container(name, "init", COUNT % LINES)]
        policy = self._chance.choice(("Always", "Never"))
        app = self._container(name, "app", FOREVER % 2)
        manifest = self._pod(name, policy, app, initContainers=inits)
        expected = {"proxy": Expected(2, None, 8), "init": Expected(1, 0), "app": Expected()}
        return Life(name, manifest, expected, "Running")

    def _stumble(self, name: str) -> Life:
        """An init container that fails once."""
        init = self._container(name, "init", f"{COUNT % LINES}; [ $again ] || exit 2")
        app = self._container(name, "app", f"{COUNT % LINES}; exit 0")
        manifest = self._pod(name, "OnFailure", app, initContainers=[init])
        return Life(name, manifest, {"init": Expected(2, 0, 2), "app": Expected(1, 0)}, "Succeeded")

    def _again(self, name: str) -> Life:
        """A container whose first end restarts all of them."""
        rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
        other = self._container(name, "other", FOREVER % 2)
        wait = f"while [ ! -s {self._ledger(name, 'other')} ]; do sleep 0.05; done"
        source = self._container(
            *(name, "source", f"[ $again ] || {{ {COUNT % LINES}; {wait}; exit 42; }}; {FOREVER % 2}"),
            restartPolicy="Never",
            restartPolicyRules=[rule],
        )
        init = self._container(name, "init", COUNT % LINES)
        manifest = self._pod(name, "Never", other, source, initContainers=[init])
        expected = {
            "init": Expected(2, 0, 0),
            "other": Expected(2, None, 137, cut=True),
            "source": Expected(2, None, 42),
        }
        return Life(name, manifest, expected, "Running")

    def _configured(self, name: str) -> Life:
        """A container that must not begin before its sidecar's startup probe has passed, and reads a ConfigMap."""
        mounts = [{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/config"}]
        probe = {"exec": {"command": ["sh", "-c", "[ -e /data/open ]"]}, "periodSeconds": 1, "failureThreshold": 60}
        gate = self._sidecar(
            name, "gate", f"sleep 0.4; touch /data/open; {FOREVER % 2}", mounts=mounts, startupProbe=probe
        )
        check = f'[ -e /data/open ] && [ "$(cat /config/word)$WORD" = {WORD * 2} ] && exit 6; exit 1'
        variable = {"name": "WORD", "valueFrom": {"configMapKeyRef": {"name": CONFIG, "key": "word"}}}
        app = self._container(name, "app", f"{COUNT % LINES}; {check}", mounts=mounts, env=[variable])
        volumes = [{"name": "data", "emptyDir": {}}, {"name": "config", "configMap": {"name": CONFIG}}]
        manifest = self._pod(name, "Never", app, initContainers=[gate], volumes=volumes)
        return Life(name, manifest, {"gate": Expected(1, ANY, cut=True), "app": Expected(1, 6)}, "Failed")

    def prepare(self) -> None:
        """Make the object that some pods refer to."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG}, "data": {"word": WORD}}
        self._api.call("POST", PODS.replace("/pods", "/configmaps"), body=body)

    # --- requests --------------------------------------------------------------------------------------------------

    def create(self, life: Life) -> None:
        """Ask for a pod. Raises ClientError when the daemon died over it."""
        item = self._api.call("POST", PODS, body=life.manifest)
        life.accepted, life.uid = True, item["metadata"]["uid"]

    def delete(self, life: Life) -> None:
        """Ask for a pod's deletion. Raises ClientError when the daemon died over it."""
        life.unsure_deletion = True
        grace = self._chance.choice((None, 0, 1))
        query = {} if grace is None else {"gracePeriodSeconds": grace}
        self._api.call("DELETE", f"{PODS}/{life.name}", query)
        life.deleted = True

    def step(self) -> None:
        """One request, whichever."""
        present = self.present
        if len(present) >= MOST_PODS or (present and self._chance.random() < 0.35):
            self.delete(self._chance.choice(present))
        else:
            self.create(self.new())

    def send_and_leave(self, kill: Callable[[], None]) -> None:
        """Send a few requests at once, kill the daemon an instant later, and read whatever it had answered by then."""
        present = self.present
        self._chance.shuffle(present)
        asked: list[tuple[Life, bool, socket]] = []
        with contextlib.ExitStack() as stack:
            for _ in range(self._chance.choice((1, 1, 3, 6))):
                deleting = bool(present) and (len(present) >= MOST_PODS or self._chance.random() < 0.35)
                life = present.pop() if deleting else self.new()
                sock = stack.enter_context(connect(self._api.socket_path, 10))
                sock.sendall(self._raw_delete(life) if deleting else _raw("POST", PODS, json.dumps(life.manifest)))
                asked.append((life, deleting, sock))
            time.sleep(self._chance.choice((0, 0.004, 0.01, 0.02, 0.05, 0.1)) * self._chance.random())
            kill()
            for life, deleting, sock in asked:
                answer = b""
                with contextlib.suppress(OSError):
                    answer = sock.recv(64)
                if answer[9:12] in (b"200", b"201", b"202"):
                    life.accepted = True
                    life.deleted = life.deleted or deleting

    def _raw_delete(self, life: Life) -> bytes:
        life.unsure_deletion = True
        return _raw("DELETE", f"{PODS}/{life.name}?gracePeriodSeconds={self._chance.choice((0, 1, 5))}")

    def settle_doubts(self, items: dict[str, dict[str, Any]]) -> list[str]:
        """What became of requests that were not answered; accepted pods that are not there are told."""
        lost = []
        for life in self.lives.values():
            item = items.get(life.name)
            if item is not None:
                life.accepted = True
                life.uid = item["metadata"]["uid"]
                life.deleted = life.deleted or "deletionTimestamp" in item["metadata"]
                life.addresses |= {one["ip"] for one in item["status"].get("podIPs", ())}
            elif life.unsure_deletion:
                life.deleted = True
            elif life.accepted and not life.deleted:
                lost.append(f"pod {life.name} was accepted and is not there")
                life.deleted = True
        return lost


def _raw(method: str, path: str, body: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: pyrt\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def listing(api: Api) -> dict[str, dict[str, Any]]:
    """The pods by name."""
    return {item["metadata"]["name"]: item for item in api.get(PODS)["items"]}
