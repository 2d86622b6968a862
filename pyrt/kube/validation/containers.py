"""Rules of containers: regular and init."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pyrt.kube import names
from pyrt.kube.container import Container, ContainerPort, ContainerRestartRule, EphemeralContainer
from pyrt.kube.field import (
    FieldError,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_many,
)
from pyrt.kube.pod import PodSpec
from pyrt.kube.probes import Lifecycle
from pyrt.kube.validation.environment import validate_env, validate_env_from
from pyrt.kube.validation.probes import validate_hooks, validate_probes
from pyrt.kube.validation.resources import validate_resources
from pyrt.kube.validation.security import validate_container_security
from pyrt.kube.validation.volumes import validate_mounts
from pyrt.kube.volumes import Volume

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RESTART_ACTIONS = ("Restart", "RestartAllContainers")
_SIGNAL = re.compile(r"SIG(RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?)")
STOP_SIGNALS = tuple(
    sorted(
        "SIG" + name
        for name in (
            "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM "
            "TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
        ).split()
    )
)
"""Beside these, ``SIGRTMIN+1`` to ``SIGRTMIN+15`` and ``SIGRTMAX-1`` to ``SIGRTMAX-14``."""

_NOT_SIDECAR = "may not be set for init containers without restartPolicy=Always"


def validate_containers(spec: PodSpec, volumes: Mapping[str, Volume], path: str) -> list[FieldError]:
    """``spec.containers`` and ``spec.initContainers``."""
    errors: list[FieldError] = []
    if not spec.containers:
        errors.append(required(f"{path}.containers"))
    taken: set[str] = set()
    for index, container in enumerate(spec.containers):
        where = f"{path}.containers[{index}]"
        errors += validate_container_common(container, spec, volumes, where)
        errors += _restart_policy(container, where)
        errors += _lifecycle(container, spec, where)
        if container.name in taken:
            errors.append(duplicate(f"{where}.name", container.name))
        taken.add(container.name)
    errors += _host_ports(spec.containers, f"{path}.containers")
    for index, container in enumerate(spec.init_containers):
        where = f"{path}.initContainers[{index}]"
        errors += validate_container_common(container, spec, volumes, where)
        errors += _restart_policy(container, where)
        if container.name in taken:
            errors.append(duplicate(f"{where}.name", container.name))
        taken.add(container.name)
        errors += _host_ports([container], f"{path}.initContainers", index)
        if container.restart_policy == "Always":
            errors += _lifecycle(container, spec, where)
            continue
        for name, value in (
            ("lifecycle", container.lifecycle),
            ("livenessProbe", container.liveness_probe),
            ("readinessProbe", container.readiness_probe),
            ("startupProbe", container.startup_probe),
        ):
            if value is not None:
                errors.append(forbidden(f"{where}.{name}", _NOT_SIDECAR))
        for number, resize in enumerate(container.resize_policy):
            if resize.restart_policy == "RestartContainer":
                detail = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                errors.append(invalid(f"{where}.resizePolicy[{number}].restartPolicy", resize.restart_policy, detail))
    return errors


def validate_container_common(
    container: Container | EphemeralContainer, spec: PodSpec, volumes: Mapping[str, Volume], path: str
) -> list[FieldError]:
    """The rules that containers of all kinds share."""
    errors: list[FieldError] = []
    if not container.name:
        errors.append(required(f"{path}.name"))
    else:
        errors += each_invalid(f"{path}.name", container.name, names.dns_label(container.name))
    if not container.image:
        errors.append(required(f"{path}.image"))
    elif container.image != container.image.strip():
        errors.append(invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace"))
    policy = container.termination_message_policy
    if policy not in ("File", "FallbackToLogsOnError"):
        where = f"{path}.terminationMessagePolicy"
        errors.append(not_supported(where, policy, ("File", "FallbackToLogsOnError")) if policy else required(where))
    if container.ports:
        errors += _ports(container.ports, f"{path}.ports")
    if container.env:
        errors += validate_env(container.env, volumes, f"{path}.env")
    if container.env_from:
        errors += validate_env_from(container.env_from, f"{path}.envFrom")
    if container.volume_mounts:
        errors += validate_mounts(container, volumes, f"{path}.volumeMounts")
    pull = container.image_pull_policy
    if pull not in PULL_POLICIES:
        where = f"{path}.imagePullPolicy"
        errors.append(not_supported(where, pull, PULL_POLICIES) if pull else required(where))
    errors += validate_resources(container.resources, f"{path}.resources")
    if container.resize_policy and isinstance(container, Container):
        errors += _resize(container, spec, path)
    errors += validate_container_security(
        container.security_context, f"{path}.securityContext", host_users=spec.host_users is not False
    )
    return errors


def _ports(ports: list[ContainerPort], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        if port.name:
            problems = names.port_name(port.name)
            errors += each_invalid(f"{where}.name", port.name, problems)
            if not problems and port.name in taken:
                errors.append(duplicate(f"{where}.name", port.name))
            taken.add(port.name)
        if port.container_port == 0:
            errors.append(required(f"{where}.containerPort"))
        else:
            problems = names.port_number(port.container_port)
            errors += each_invalid(f"{where}.containerPort", port.container_port, problems)
        if port.host_port:
            errors += each_invalid(f"{where}.hostPort", port.host_port, names.port_number(port.host_port))
        if port.protocol not in PROTOCOLS:
            protocol = f"{where}.protocol"
            errors.append(not_supported(protocol, port.protocol, PROTOCOLS) if port.protocol else required(protocol))
        if port.host_ip:
            # The API server leaves this to the runtime, where nobody reads the error.
            errors += each_invalid(f"{where}.hostIP", port.host_ip, names.ip(port.host_ip))
    return errors


def _host_ports(containers: Sequence[Container], path: str, first: int = 0) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for number, container in enumerate(containers, first):
        for index, port in enumerate(container.ports):
            if not port.host_port:
                continue
            key = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if key in taken:
                errors.append(duplicate(f"{path}[{number}].ports[{index}].hostPort", key))
            taken.add(key)
    return errors


def _restart_policy(container: Container, path: str) -> list[FieldError]:
    policy, rules = container.restart_policy, container.restart_policy_rules
    where = f"{path}.restartPolicy"
    errors: list[FieldError] = []
    if policy is None:
        if rules:
            errors.append(required(where, "must specify restartPolicy when restart rules are used"))
        return errors
    if policy not in RESTART_POLICIES:
        errors.append(not_supported(where, policy, RESTART_POLICIES))
    if len(rules) > 20:
        errors.append(too_many(f"{path}.restartPolicyRules", len(rules), 20))
    for index, rule in enumerate(rules):
        errors += _rule(rule, f"{path}.restartPolicyRules[{index}]")
    return errors


def _rule(rule: ContainerRestartRule, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if rule.action not in RESTART_ACTIONS:
        errors.append(not_supported(f"{path}.action", rule.action, RESTART_ACTIONS))
    codes = rule.exit_codes
    if codes is None:
        errors.append(required(f"{path}.exitCodes", "must be specified"))
        return errors
    if codes.operator not in ("In", "NotIn"):
        errors.append(not_supported(f"{path}.exitCodes.operator", codes.operator, ("In", "NotIn")))
    if len(codes.values) > 255:
        errors.append(too_many(f"{path}.exitCodes.values", len(codes.values), 255))
    return errors


def _lifecycle(container: Container, spec: PodSpec, path: str) -> list[FieldError]:
    grace = spec.termination_grace_period_seconds
    errors = validate_hooks(container, grace, path)
    if container.lifecycle is not None:
        errors += _stop_signal(container.lifecycle, spec, path)
    return errors + validate_probes(container, grace, path)


def _stop_signal(lifecycle: Lifecycle, spec: PodSpec, path: str) -> list[FieldError]:
    if lifecycle.stop_signal is None:
        return []
    where = f"{path}.lifecycle.stopSignal"
    if spec.os is None:
        return [forbidden(where, "may not be set for containers with empty `spec.os.name`")]
    signal = lifecycle.stop_signal
    if spec.os.name == "linux" and signal not in STOP_SIGNALS and not _SIGNAL.fullmatch(signal):
        return [not_supported(where, signal, STOP_SIGNALS)]
    return []


def _resize(container: Container, spec: PodSpec, path: str) -> list[FieldError]:
    where = f"{path}.resizePolicy"
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, policy in enumerate(container.resize_policy):
        if policy.resource_name in seen:
            errors.append(duplicate(f"{where}[{index}]", policy.resource_name))
        seen.add(policy.resource_name)
        closed = (
            (policy.resource_name, ("cpu", "memory")),
            (policy.restart_policy, ("NotRequired", "RestartContainer")),
        )
        for value, supported in closed:
            if value not in supported:
                errors.append(not_supported(where, value, supported) if value else required(where))
        if spec.restart_policy == "Never" and policy.restart_policy == "RestartContainer":
            detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid(where, policy.restart_policy, detail))
    return errors
