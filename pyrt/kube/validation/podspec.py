"""Rules of a pod's spec that are not its containers', volumes' or scheduler's."""

from __future__ import annotations

from pyrt.kube import names
from pyrt.kube.field import FieldError, each_invalid, forbidden, invalid, not_supported, required, too_long
from pyrt.kube.pod import PodDNSConfig, PodSpec
from pyrt.kube.validation.containers import validate_containers
from pyrt.kube.validation.ephemeral import validate_ephemeral_containers
from pyrt.kube.validation.pod_resources import validate_pod_resources
from pyrt.kube.validation.scheduling import validate_scheduling
from pyrt.kube.validation.security import validate_pod_security
from pyrt.kube.validation.volumes import validate_volumes

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
NAMESERVERS_MAX = 3
SEARCHES_MAX = 32
SEARCH_CHARACTERS_MAX = 2048
_INT32_MAX = 2**31 - 1
_WINDOWS = "cannot be set for a windows pod"


def validate_pod_spec(spec: PodSpec, path: str = "spec") -> list[FieldError]:
    """All rules of a defaulted spec."""
    volumes, errors = validate_volumes(spec.volumes, f"{path}.volumes")
    if spec.termination_grace_period_seconds is None:
        errors.append(required(f"{path}.terminationGracePeriodSeconds"))
    errors += validate_containers(spec, volumes, path)
    if spec.ephemeral_containers:
        errors += validate_ephemeral_containers(spec, volumes, path)
    if spec.host_network:
        errors += _host_network(spec, path)
    for name, value, supported in (
        ("restartPolicy", spec.restart_policy, RESTART_POLICIES),
        ("dnsPolicy", spec.dns_policy, DNS_POLICIES),
    ):
        if value not in supported:
            where = f"{path}.{name}"
            errors.append(not_supported(where, value, supported) if value else required(where))
    if spec.security_context is not None:
        errors += validate_pod_security(spec.security_context, spec, f"{path}.securityContext")
    if spec.host_users is False:
        errors += _own_users(spec, path)
    errors += _dns(spec, f"{path}.dnsConfig")
    for index, gate in enumerate(spec.readiness_gates):
        where = f"{path}.readinessGates[{index}].conditionType"
        errors += each_invalid(where, gate.condition_type, names.label_key(gate.condition_type))
    errors += validate_pod_resources(spec, path)
    errors += validate_scheduling(spec, path)
    errors += _identity(spec, path)
    deadline = spec.active_deadline_seconds
    if deadline is not None:
        errors += each_invalid(f"{path}.activeDeadlineSeconds", deadline, names.in_range(deadline, 1, _INT32_MAX))
    for index, alias in enumerate(spec.host_aliases):
        where = f"{path}.hostAliases[{index}]"
        errors += each_invalid(f"{where}.ip", alias.ip, names.ip(alias.ip))
        for number, host in enumerate(alias.hostnames):
            errors += each_invalid(f"{where}.hostnames[{number}]", host, names.dns_subdomain(host))
    if spec.os is not None:
        errors += _operating_system(spec, path)
    return errors


def _host_network(spec: PodSpec, path: str) -> list[FieldError]:
    detail = "must match `containerPort` when `hostNetwork` is true"
    return [
        invalid(f"{path}.containers[{number}].ports[{index}].hostPort", port.host_port, detail)
        for number, container in enumerate(spec.containers)
        for index, port in enumerate(container.ports)
        if port.host_port != port.container_port
    ]


def _own_users(spec: PodSpec, path: str) -> list[FieldError]:
    # The two names are the API server's, capitals and all (validateHostUsers).
    hosts = (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc))
    return [forbidden(f"{path}.{name}", "when `hostUsers` is false") for name, value in hosts if value]


def _identity(spec: PodSpec, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, value in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        if value:
            errors += each_invalid(f"{path}.{name}", value, names.dns_label(value))
    for name, value in (
        ("serviceAccountName", spec.service_account_name),
        ("nodeName", spec.node_name),
        ("runtimeClassName", spec.runtime_class_name or ""),
    ):
        if value:
            errors += each_invalid(f"{path}.{name}", value, names.dns_subdomain(value))
    override = spec.hostname_override
    if override is not None:
        where = f"{path}.hostnameOverride"
        if spec.set_hostname_as_fqdn:
            errors.append(forbidden(where, "may not be specified when setHostnameAsFQDN is true"))
        if spec.host_network:
            errors.append(forbidden(where, "may not be specified when hostNetwork is true"))
        if len(override) > 64:
            errors.append(too_long(where, 64))
        errors += each_invalid(where, override, names.dns_subdomain(override))
    return errors


def _dns(spec: PodSpec, path: str) -> list[FieldError]:
    config = spec.dns_config
    if spec.dns_policy == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.nameservers:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", detail)]
    return [] if config is None else _dns_config(config, path)


def _dns_config(config: PodDNSConfig, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    servers, searches = config.nameservers, config.searches
    if len(servers) > NAMESERVERS_MAX:
        detail = f"must not have more than {NAMESERVERS_MAX} nameservers"
        errors.append(invalid(f"{path}.nameservers", servers, detail))
    for index, server in enumerate(servers):
        errors += each_invalid(f"{path}.nameservers[{index}]", server, names.ip(server))
    if len(searches) > SEARCHES_MAX:
        detail = f"must not have more than {SEARCHES_MAX} search paths"
        errors.append(invalid(f"{path}.searches", searches, detail))
    if len(" ".join(searches)) > SEARCH_CHARACTERS_MAX:
        detail = f"must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list"
        errors.append(invalid(f"{path}.searches", searches, detail))
    for index, search in enumerate(searches):
        if search != ".":
            plain = search.removesuffix(".")
            errors += each_invalid(f"{path}.searches[{index}]", plain, names.dns_subdomain_underscored(plain))
    for index, option in enumerate(config.options):
        if not option.name:
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))
    return errors


def _operating_system(spec: PodSpec, path: str) -> list[FieldError]:
    assert spec.os is not None
    if not spec.os.name:
        return [required(f"{path}.os.name")]
    if spec.os.name not in ("linux", "windows"):
        return [not_supported(f"{path}.os", spec.os.name, ("linux", "windows"))]
    contexts = [(f"{path}.securityContext", spec.security_context)]
    inner = [
        (f"{path}.{kind}[{index}].securityContext", container.security_context)
        for kind, containers in (("initContainers", spec.init_containers), ("containers", spec.containers))
        for index, container in enumerate(containers)
    ]
    if spec.os.name == "linux":
        detail = "windows options cannot be set for a linux pod"
        return [
            forbidden(f"{where}.windowsOptions", detail)
            for where, context in (*contexts, *inner)
            if context is not None and context.windows_options is not None
        ]
    errors = [
        forbidden(f"{path}.{name}", _WINDOWS)
        for name, value in (
            ("hostUsers", spec.host_users is not None),
            ("hostPID", spec.host_pid),
            ("hostIPC", spec.host_ipc),
            ("shareProcessNamespace", spec.share_process_namespace is not None),
        )
        if value
    ]
    for where, found in (*contexts, *inner):
        if found is None:
            continue
        for field, name in zip(found.__struct_fields__, found.__struct_encode_fields__, strict=True):
            value = getattr(found, field)
            if name not in ("windowsOptions", "runAsNonRoot") and value is not None and value != []:
                errors.append(forbidden(f"{where}.{name}", _WINDOWS))
    return errors
