"""Rules of probes and lifecycle hooks (apis/core/validation: validateProbe, validateHandler, validateLifecycle)."""

from __future__ import annotations

import re

from pyrt.kube import names
from pyrt.kube.container import Container
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, not_supported, required
from pyrt.kube.probes import HTTPGetAction, LifecycleHandler, Probe, SleepAction

SCHEMES = ("HTTP", "HTTPS")
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_HEADER_MESSAGE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' "
    "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
)
_NOT_NEGATIVE = "must be greater than or equal to 0"


def validate_probes(container: Container, grace: int | None, path: str) -> list[FieldError]:
    """The three probes of a container; ``grace`` is the pod's terminationGracePeriodSeconds."""
    errors: list[FieldError] = []
    if (probe := container.liveness_probe) is not None:
        errors += _probe(probe, grace, f"{path}.livenessProbe") + _once(probe, f"{path}.livenessProbe")
    if (probe := container.readiness_probe) is not None:
        errors += _probe(probe, grace, f"{path}.readinessProbe")
        if probe.termination_grace_period_seconds is not None:
            where = f"{path}.readinessProbe.terminationGracePeriodSeconds"
            text = "must not be set for readinessProbes"
            errors.append(invalid(where, probe.termination_grace_period_seconds, text))
    if (probe := container.startup_probe) is not None:
        errors += _probe(probe, grace, f"{path}.startupProbe") + _once(probe, f"{path}.startupProbe")
    return errors


def validate_hooks(container: Container, grace: int | None, path: str) -> list[FieldError]:
    """PostStart and preStop of a container."""
    lifecycle = container.lifecycle
    if lifecycle is None:
        return []
    errors: list[FieldError] = []
    for name, hook in (("postStart", lifecycle.post_start), ("preStop", lifecycle.pre_stop)):
        if hook is not None:
            errors += _handler(hook, grace, f"{path}.lifecycle.{name}")
    return errors


def _once(probe: Probe, path: str) -> list[FieldError]:
    if probe.success_threshold == 1:
        return []
    return [invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")]


def _probe(probe: Probe, grace: int | None, path: str) -> list[FieldError]:
    errors = _handler(probe, grace, path)
    numbers = (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    )
    errors += [invalid(f"{path}.{name}", value, _NOT_NEGATIVE) for name, value in numbers if value < 0]
    own = probe.termination_grace_period_seconds
    if own is not None and own <= 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", own, "must be greater than 0"))
    return errors


def _handler(handler: Probe | LifecycleHandler, grace: int | None, path: str) -> list[FieldError]:
    """Exactly one of the kinds; of several the first is looked at and the others are too many."""
    kinds = (
        ("exec", handler.exec),
        ("httpGet", handler.http_get),
        ("tcpSocket", handler.tcp_socket),
        ("grpc", handler.grpc if isinstance(handler, Probe) else None),
        ("sleep", handler.sleep if isinstance(handler, LifecycleHandler) else None),
    )
    given = [name for name, value in kinds if value is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    errors = _first(handler, grace, f"{path}.{given[0]}")
    errors += [forbidden(f"{path}.{name}", "may not specify more than 1 handler type") for name in given[1:]]
    return errors


def _first(handler: Probe | LifecycleHandler, grace: int | None, path: str) -> list[FieldError]:
    if handler.exec is not None:
        return [] if handler.exec.command else [required(f"{path}.command")]
    if handler.http_get is not None:
        return _http_get(handler.http_get, path)
    if handler.tcp_socket is not None:
        return _port(handler.tcp_socket.port, f"{path}.port")
    if isinstance(handler, Probe):
        return _port(handler.grpc.port, f"{path}.port") if handler.grpc is not None else []
    return _sleep(handler.sleep, grace, path) if handler.sleep is not None else []


def _http_get(action: HTTPGetAction, path: str) -> list[FieldError]:
    errors = [] if action.path else [required(f"{path}.path")]
    errors += _port(action.port, f"{path}.port")
    if action.scheme not in SCHEMES:
        errors.append(not_supported(f"{path}.scheme", action.scheme, SCHEMES))
    for header in action.http_headers:
        if not _HEADER.fullmatch(header.name):
            errors.append(invalid(f"{path}.httpHeaders", header.name, _HEADER_MESSAGE))
    return errors


def _port(port: int | str, path: str) -> list[FieldError]:
    problems = names.port_number(port) if isinstance(port, int) else names.port_name(port)
    return each_invalid(path, port, problems)


def _sleep(action: SleepAction, grace: int | None, path: str) -> list[FieldError]:
    if grace is None or 0 <= action.seconds <= grace:
        return []
    text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
    return [invalid(path, action.seconds, text)]
