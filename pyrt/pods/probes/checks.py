"""From a probe of the pod's spec to what asks for it: one line a handler.

The handlers that need a library load it with the first probe of their kind: 2 MiB each, and tens of milliseconds, which
a daemon without such pods does not pay.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyrt.ids import ContainerId
from pyrt.kube.container import Container
from pyrt.kube.expand import expand
from pyrt.kube.probes import Probe
from pyrt.pods.probes.execute import ExecCheck
from pyrt.pods.probes.poller import Poller
from pyrt.pods.probes.report import Attempt, Check, Done, Outcome, Report
from pyrt.pods.probes.request import HandlerError, make_request, resolve_port
from pyrt.pods.probes.tcp import TcpCheck
from pyrt.runtime import Runtime


@dataclass(frozen=True, slots=True)
class ImpossibleCheck:
    """A probe that cannot be carried out as it is written, which is told each time."""

    text: str
    keeps_time: bool = True

    def begin(self, done: Done) -> Attempt:
        """Tell it."""
        done(Report(Outcome.ERROR, self.text))
        return self

    def expire(self) -> Report:
        """Never called."""
        return Report(Outcome.ERROR, self.text)

    def cancel(self) -> None:
        """There is nothing under way."""


def make_check(
    probe: Probe, container: Container, container_id: ContainerId, address: str, runtime: Runtime, poller: Poller
) -> Check:
    """What asks for ``probe`` of one instance; ``address`` is the pod's."""
    try:
        if probe.exec is not None:
            # Only values that are written down: the kubelet's ExpandContainerCommandOnlyStatic.
            static = {variable.name: variable.value for variable in container.env}
            command = tuple(expand(word, static) for word in probe.exec.command)
            return ExecCheck(runtime, container_id, command, probe.timeout_seconds)
        if probe.http_get is not None:
            from pyrt.pods.probes.http import HttpCheck

            return HttpCheck(poller, make_request(probe.http_get, container, address, "probe"))
        if probe.tcp_socket is not None:
            port = resolve_port(probe.tcp_socket.port, container)
            return TcpCheck(poller, probe.tcp_socket.host or _known(address), port)
        if probe.grpc is not None:
            from pyrt.pods.probes.grpc import GrpcCheck

            service = probe.grpc.service or ""
            return GrpcCheck(poller, _known(address), probe.grpc.port, service, probe.timeout_seconds)
    except HandlerError as error:
        return ImpossibleCheck(str(error))
    return ImpossibleCheck(f"missing probe handler for {container.name}")


def _known(address: str) -> str:
    if not address:
        raise HandlerError("the pod has no address yet")
    return address
