"""What a kubelet is told of a sandbox (pure)."""

from __future__ import annotations

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.asked import sandbox_request
from pyrt.runtime.config import NamespaceMode
from pyrt.runtime.status import SandboxState, SandboxStatus

_STATES = {SandboxState.READY: cri.SANDBOX_READY, SandboxState.NOT_READY: cri.SANDBOX_NOTREADY}


def state_of(status: SandboxStatus) -> cri.PodSandboxState:
    """READY while its pod process lives."""
    return _STATES[status.state]


def sandbox_status(status: SandboxStatus) -> cri.PodSandboxStatus:
    """The answer of PodSandboxStatus, and what goes with every event."""
    request = sandbox_request(status)
    config = request.config
    return cri.PodSandboxStatus(
        id=status.id,
        metadata=config.metadata,
        state=state_of(status),
        created_at=status.created_at,
        network=_network(status),
        linux=cri.LinuxPodSandboxStatus(
            namespaces=cri.Namespace(options=config.linux.security_context.namespace_options)
        ),
        labels=config.labels,
        annotations=config.annotations,
        runtime_handler=request.runtime_handler,
    )


def _network(status: SandboxStatus) -> cri.PodSandboxNetworkStatus:
    """Nothing of a pod on the host's network, whose addresses the kubelet knows, and of one whose network is gone."""
    if status.state is not SandboxState.READY or status.config.network is NamespaceMode.NODE or not status.addresses:
        return cri.PodSandboxNetworkStatus()
    first, *others = status.addresses
    return cri.PodSandboxNetworkStatus(ip=first, additional_ips=[cri.PodIP(ip=address) for address in others])


def sandbox_item(status: SandboxStatus) -> cri.PodSandbox:
    """One line of ListPodSandbox."""
    request = sandbox_request(status)
    config = request.config
    return cri.PodSandbox(
        id=status.id,
        metadata=config.metadata,
        state=state_of(status),
        created_at=status.created_at,
        labels=config.labels,
        annotations=config.annotations,
        runtime_handler=request.runtime_handler,
    )
