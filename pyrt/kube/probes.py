"""Probes and life-cycle hooks."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, Int64, KubeStruct


class ExecAction(KubeStruct):
    """Run a command in the container."""

    command: list[str] = field(default_factory=list)


class HTTPHeader(KubeStruct):
    """One header of a request."""

    name: str = field(default_factory=str)
    value: str = field(default_factory=str)


class HTTPGetAction(KubeStruct):
    """An HTTP GET of ``host:port`` (the pod address by default)."""

    path: str = ""
    port: int | str = field(default_factory=int)
    host: str = ""
    scheme: str = ""
    http_headers: list[HTTPHeader] = field(default_factory=list)


class TCPSocketAction(KubeStruct):
    """Open a TCP connection."""

    port: int | str = field(default_factory=int)
    host: str = ""


class GRPCAction(KubeStruct):
    """The gRPC health protocol."""

    port: Int32 = field(default_factory=int)
    service: str | None = None


class SleepAction(KubeStruct):
    """Wait that many seconds."""

    seconds: Int64 = field(default_factory=int)


class Probe(KubeStruct):
    """A periodic check of a container; times in seconds."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: Int32 = 0
    timeout_seconds: Int32 = 0
    period_seconds: Int32 = 0
    success_threshold: Int32 = 0
    failure_threshold: Int32 = 0
    termination_grace_period_seconds: Int64 | None = None


class LifecycleHandler(KubeStruct):
    """What a hook does."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(KubeStruct):
    """The hooks of a container, and the signal that stops it."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None
