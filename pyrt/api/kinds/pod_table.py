"""The columns of ``get pods`` (kubernetes, ``pkg/printers/internalversion/printers.go``, printPod)."""

from __future__ import annotations

import time
from typing import Any, Final

from pyrt.api.table import AGE, NAME, Column, human_age
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import ContainerStateTerminated, ContainerStatus
from pyrt.kube.times import from_text

COLUMNS: Final = (
    NAME,
    Column("Ready", description="How many of the containers are ready."),
    Column("Status", description="The phase, or why it is not what one would expect."),
    Column("Restarts", description="How often containers were started again, and when last."),
    AGE,
    Column("IP", priority=1, description="The primary address."),
    Column("Node", priority=1, description="The machine."),
    Column("Nominated Node", priority=1, description="Always <none>: there is one machine."),
    Column("Readiness Gates", priority=1, description="Conditions that are met, of those that readiness waits for."),
)
_SECOND: Final = 1_000_000_000


def cells(pod: Pod) -> list[Any]:
    """One row."""
    summary = _Summary(pod)
    status = pod.status
    conditions = {condition.type: condition.status for condition in status.conditions}
    gates = pod.spec.readiness_gates
    met = sum(conditions.get(gate.condition_type) == "True" for gate in gates)
    return [
        pod.metadata.name,
        f"{summary.ready}/{summary.total}",
        summary.reason,
        summary.restarts_text(),
        age(pod.metadata.creation_timestamp),
        status.pod_ip or "<none>",
        pod.spec.node_name or "<none>",
        status.nominated_node_name or "<none>",
        f"{met}/{len(gates)}" if gates else "<none>",
    ]


def age(timestamp: str | None) -> str:
    """Time since a timestamp, as kubectl writes it."""
    return human_age((time.time_ns() - from_text(timestamp)) / _SECOND) if timestamp else "<unknown>"


def pod_reason(pod: Pod) -> str:
    """The STATUS column."""
    return _Summary(pod).reason


class _Summary:
    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
        self._sidecars = {c.name for c in sidecars}
        self.total = len(pod.spec.containers) + len(sidecars)
        self.ready = 0
        self.restarts = 0
        self.last_restart = 0
        gated = any(c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in pod.status.conditions)
        self.reason = "SchedulingGated" if gated else pod.status.reason or pod.status.phase
        initializing = self._inits()
        if not initializing or self._initialized():
            self._containers()
        meta = pod.metadata
        if meta.deletion_timestamp and pod.status.reason == "NodeLost":
            self.reason = "Unknown"
        elif meta.deletion_timestamp and pod.status.phase not in ("Succeeded", "Failed"):
            self.reason = "Terminating"

    def _count(self, status: ContainerStatus) -> None:
        self.restarts += status.restart_count
        ended = status.last_state.terminated
        if ended is not None and ended.finished_at:
            self.last_restart = max(self.last_restart, from_text(ended.finished_at))

    def _inits(self) -> bool:
        statuses = self._pod.status.init_container_statuses
        for index, status in enumerate(statuses):
            self._count(status)
            ended, waiting = status.state.terminated, status.state.waiting
            if ended is not None and ended.exit_code == 0:
                continue
            if status.name in self._sidecars and status.started:
                self.ready += status.ready
                continue
            if ended is not None:
                self.reason = f"Init:{ended.reason or _exit_text(ended)}"
            elif waiting is not None and waiting.reason not in ("", "PodInitializing"):
                self.reason = f"Init:{waiting.reason}"
            else:
                self.reason = f"Init:{index}/{len(self._pod.spec.init_containers)}"
            return True
        return False

    def _initialized(self) -> bool:
        return any(c.type == "Initialized" and c.status == "True" for c in self._pod.status.conditions)

    def _containers(self) -> None:
        running, failure = False, ""
        self.restarts, self.last_restart = 0, 0  # of init containers that are long done
        for status in self._pod.status.init_container_statuses:
            if status.name in self._sidecars:
                self._count(status)
        for status in reversed(self._pod.status.container_statuses):
            self._count(status)
            ended, waiting = status.state.terminated, status.state.waiting
            if waiting is not None and waiting.reason:
                self.reason = waiting.reason
            elif ended is not None:
                self.reason = ended.reason or _exit_text(ended)
                failure = self.reason if ended.exit_code else failure
            elif status.ready and status.state.running is not None:
                running = True
                self.ready += 1
        if self.reason == "Completed":
            ready = any(c.type == "Ready" and c.status == "True" for c in self._pod.status.conditions)
            if running and ready:
                self.reason = "Running"
            elif failure:
                self.reason = failure
            elif running:
                self.reason = "NotReady"

    def restarts_text(self) -> str:
        if not self.restarts or not self.last_restart:
            return str(self.restarts)
        return f"{self.restarts} ({human_age((time.time_ns() - self.last_restart) / _SECOND)} ago)"


def _exit_text(ended: ContainerStateTerminated) -> str:
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"
