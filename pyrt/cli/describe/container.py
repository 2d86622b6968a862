"""The containers in a pod's description."""

from __future__ import annotations

from typing import Any

from pyrt.cli.describe.environment import describe_environment
from pyrt.cli.describe.writer import Writer
from pyrt.cli.durations import rfc1123

Object = dict[str, Any]

SIGNALED = 128


def describe_containers(out: Writer, title: str, containers: list[Object], statuses: list[Object], pod: Object) -> None:
    """One section: the containers of one kind."""
    by_name = {status["name"]: status for status in statuses}
    out.line(title)
    for container in containers:
        _container(out, container, by_name.get(container["name"]), pod)


def _container(out: Writer, container: Object, status: Object | None, pod: Object) -> None:
    out.line(f"{container['name']}:", level=1)
    if status is not None:
        out.line("Container ID:", status.get("containerID") or "", level=2)
    out.line("Image:", container.get("image") or "", level=2)
    if status is not None:
        out.line("Image ID:", status.get("imageID") or "", level=2)
    _ports(out, container.get("ports") or [])
    if profile := (container.get("securityContext") or {}).get("seccompProfile"):
        out.line("SeccompProfile:", profile.get("type", ""), level=2)
    out.items("Command:", container.get("command") or [], level=2)
    out.items("Args:", container.get("args") or [], level=2)
    if status is not None:
        _state(out, "State", status.get("state") or {})
        if status.get("lastState"):
            _state(out, "Last State", status["lastState"])
        out.line("Ready:", "True" if status.get("ready") else "False", level=2)
        out.line("Restart Count:", str(status.get("restartCount", 0)), level=2)
    resources = container.get("resources") or {}
    for title, values in (("Limits:", resources.get("limits")), ("Requests:", resources.get("requests"))):
        if values:
            out.line(title, level=2)
            for name, value in sorted(values.items()):
                out.line(f"{name}:", str(value), level=3)
    for kind in ("liveness", "readiness", "startup"):
        if value := container.get(f"{kind}Probe"):
            out.line(f"{kind.title()}:", probe(value), level=2)
    describe_environment(out, container, pod)
    mounts = container.get("volumeMounts") or []
    out.line("Mounts:", *([] if mounts else ["<none>"]), level=2)
    for mount in sorted(mounts, key=lambda mount: str(mount["mountPath"])):
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        out.line(f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})", level=3)


def _ports(out: Writer, ports: list[Object]) -> None:
    def shown(key: str) -> str:
        return ", ".join(f"{port.get(key) or 0}/{port.get('protocol') or 'TCP'}" for port in ports) or "<none>"

    plural = "s" if len(ports) > 1 else ""
    out.line(f"Port{plural}:", shown("containerPort"), level=2)
    out.line(f"Host Port{plural}:", shown("hostPort"), level=2)


def _state(out: Writer, title: str, state: Object) -> None:
    if running := state.get("running"):
        out.line(f"{title}:", "Running", level=2)
        out.line("Started:", rfc1123(running.get("startedAt") or ""), level=3)
    elif terminated := state.get("terminated"):
        out.line(f"{title}:", "Terminated", level=2)
        for label, key in (("Reason", "reason"), ("Message", "message")):
            if terminated.get(key):
                out.line(f"{label}:", str(terminated[key]).rstrip("\n"), level=3)
        out.line("Exit Code:", str(terminated.get("exitCode", 0)), level=3)
        if terminated.get("signal"):
            out.line("Signal:", str(terminated["signal"]), level=3)
        out.line("Started:", rfc1123(terminated.get("startedAt") or ""), level=3)
        out.line("Finished:", rfc1123(terminated.get("finishedAt") or ""), level=3)
    else:
        waiting = state.get("waiting") or {}
        out.line(f"{title}:", "Waiting", level=2)
        if waiting.get("reason"):
            out.line("Reason:", waiting["reason"], level=3)


def probe(value: Object) -> str:
    """``http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3``."""
    handler = "unknown"
    if execute := value.get("exec"):
        handler = f"exec [{' '.join(execute.get('command') or [])}]"
    elif get := value.get("httpGet"):
        scheme = (get.get("scheme") or "HTTP").lower()
        handler = f"http-get {scheme}://{get.get('host') or ''}:{get.get('port')}{get.get('path') or '/'}"
    elif tcp := value.get("tcpSocket"):
        handler = f"tcp-socket {tcp.get('host') or ''}:{tcp.get('port')}"
    elif grpc := value.get("grpc"):
        handler = f"grpc <pod>:{grpc.get('port')} {grpc.get('service') or ''}".rstrip()
    return (
        f"{handler} delay={value.get('initialDelaySeconds', 0)}s timeout={value.get('timeoutSeconds', 1)}s "
        f"period={value.get('periodSeconds', 10)}s #success={value.get('successThreshold', 1)} "
        f"#failure={value.get('failureThreshold', 3)}"
    )
