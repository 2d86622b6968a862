"""Each rule by one edit of a good pod and the error a user reads."""

from __future__ import annotations

from typing import Any

import pytest

from pyrt.kube.decode import from_object
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.field import InvalidObjectError
from pyrt.kube.manifest import load_documents
from pyrt.kube.pod import Pod
from pyrt.kube.validation import validate_pod_create

LABEL_HINT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_HINT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in change.items():
        result[key] = merge(result[key], value) if isinstance(value, dict) and key in result else value
    return result


def errors_of(spec: str = "", *, container: str = "", metadata: str = "") -> list[str]:
    """The errors of a good pod with these YAML mappings laid over its parts."""
    base: dict[str, Any] = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"containers": [{"name": "app", "image": "img"}]},
    }
    if metadata:
        base["metadata"] = merge(base["metadata"], load_documents(metadata)[0])
    if container:
        base["spec"]["containers"][0] = merge(base["spec"]["containers"][0], load_documents(container)[0])
    if spec:
        base["spec"] = merge(base["spec"], load_documents(spec)[0])
    pod = from_object(base, Pod)
    set_pod_defaults(pod)
    return [str(error) for error in validate_pod_create(pod)]


def test_a_good_pod() -> None:
    assert errors_of() == []


@pytest.mark.parametrize(
    ("metadata", "errors"),
    [
        ("name: Web_1", [f'metadata.name: Invalid value: "Web_1": {SUBDOMAIN_HINT}']),
        ("name: " + "a" * 254, [f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 characters']),
        ("name: ''", ["metadata.name: Required value: name or generateName is required"]),
        ("{name: a.b-c, generateName: a-}", []),
        ("namespace: ''", ["metadata.namespace: Required value"]),
        ("namespace: a.b", ['metadata.namespace: Invalid value: "a.b": must not contain dots']),
        ("namespace: -a", [f'metadata.namespace: Invalid value: "-a": {LABEL_HINT}']),
        ("labels: {'': x}", ["name part must be non-empty", "name part must consist of"]),
        ("labels: {a/b/c: x}", ['metadata.labels: Invalid value: "a/b/c": a valid label key must consist of']),
        ("labels: {/b: x}", ["prefix part must be non-empty"]),
        ("labels: {A_b/c: x}", ["prefix part a lowercase RFC 1123 subdomain"]),
        ("labels: {a: 'b c'}", ['metadata.labels: Invalid value: "b c": a valid label must be an empty string or']),
        (f"labels: {{a: {'b' * 64}}}", ["must be no more than 63 bytes"]),
        ("labels: {example.com/App_1: ''}", []),
        ("annotations: {'a b': x}", ['metadata.annotations: Invalid value: "a b": name part must consist of']),
        (f"annotations: {{a: {'b' * 262144}}}", ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
        ("finalizers: [foo]", ["name is neither a standard finalizer name nor is it fully qualified"]),
        ("finalizers: [orphan, foregroundDeletion]", ["cannot be both set"]),
        ("ownerReferences: [{apiVersion: v1, kind: '', name: a, uid: b}]", ["metadata.ownerReferences.kind: Invalid"]),
        ("generation: -1", ["metadata.generation: Invalid value: -1: must be greater than or equal to 0"]),
    ],
)
def test_metadata(metadata: str, errors: list[str]) -> None:
    check(errors_of(metadata=metadata), errors)


@pytest.mark.parametrize(
    ("container", "errors"),
    [
        ("name: ''", ["spec.containers[0].name: Required value"]),
        ("name: App", [f'spec.containers[0].name: Invalid value: "App": {LABEL_HINT}']),
        ("name: a.b", ['spec.containers[0].name: Invalid value: "a.b": must not contain dots']),
        ("image: ''", ["spec.containers[0].image: Required value"]),
        ("image: ' img'", ['Invalid value: " img": must not have leading or trailing whitespace']),
        (
            "imagePullPolicy: Sometimes",
            [
                'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": '
                'supported values: "Always", "IfNotPresent", "Never"'
            ],
        ),
        ("terminationMessagePolicy: X", ['supported values: "File", "FallbackToLogsOnError"']),
        ("ports: [{}]", ["spec.containers[0].ports[0].containerPort: Required value"]),
        ("ports: [{containerPort: 70000}]", ["Invalid value: 70000: must be between 1 and 65535, inclusive"]),
        ("ports: [{containerPort: 1, hostPort: -1}]", ["ports[0].hostPort: Invalid value: -1"]),
        ("ports: [{containerPort: 1, protocol: tcp}]", ['"tcp": supported values: "SCTP", "TCP", "UDP"']),
        ("ports: [{containerPort: 1, name: '80'}]", ["must contain at least one letter (a-z)"]),
        ("ports: [{containerPort: 1, name: a--b}]", ["must not contain consecutive hyphens"]),
        ("ports: [{containerPort: 1, name: a-}]", ["must not begin or end with a hyphen"]),
        ("ports: [{containerPort: 1, name: abcdefghijklmnop}]", ["must be no more than 15 characters"]),
        ("ports: [{containerPort: 1, name: A}]", ["must contain only alpha-numeric", "at least one letter"]),
        (
            "ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]",
            ['spec.containers[0].ports[1].name: Duplicate value: "a"'],
        ),
        (
            "ports: [{containerPort: 1, hostPort: 9}, {containerPort: 2, hostPort: 9}]",
            ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//9"'],
        ),
        ("ports: [{containerPort: 1, hostPort: 9}, {containerPort: 2, hostPort: 9, protocol: UDP}]", []),
        ("ports: [{containerPort: 1, hostIP: nonsense}]", ["ports[0].hostIP: Invalid value"]),
        ("env: [{name: ''}]", ["spec.containers[0].env[0].name: Required value"]),
        ("env: [{name: 'a=b'}]", ["must consist only of printable ASCII characters other than '='"]),
        ("env: [{name: 'ü'}]", ["must consist only of printable ASCII characters other than '='"]),
        ("env: [{name: '1 odd-name.x', value: x}]", []),
        ("env: [{name: a, valueFrom: {}}]", ['env[0].valueFrom: Invalid value: "": must specify one of:']),
        (
            "env: [{name: a, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
            ["may not be specified when `value` is not empty"],
        ),
        ("env: [{name: a, valueFrom: {fieldRef: {fieldPath: metadata.foo}}}]", ["field label not supported"]),
        ("env: [{name: a, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['x']\"}}}]", []),
        ("volumeMounts: [{name: x, mountPath: /x}]", ['volumeMounts[0].name: Not found: "x"']),
        ("resources: {limits: {cpu: 1x}, requests: {cpu: 1}}", ['resources.limits[cpu]: Invalid value: "1x": quant']),
        ("resources: {limits: {cpu: -1}, requests: {cpu: 1}}", ["must be greater than or equal to 0"]),
        ("resources: {limits: {foo: 1}, requests: {foo: 1}}", ["standard resource type", "for containers"] * 2),
        (
            "resources: {limits: {memory: 1Gi}, requests: {memory: 2Gi}}",
            ['resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'],
        ),
        ("resources: {limits: {hugepages-2Mi: 2Mi}}", ["resources: Forbidden: HugePages require cpu or memory"]),
        ("resources: {limits: {hugepages-2Mi: 3Mi, cpu: 1}}", ["not positive integer multiple of hugepages-2Mi"] * 2),
        ("resources: {limits: {example.com/gpu: 1}}", []),
        ("resources: {requests: {example.com/gpu: 1}}", ["Limit must be set for non overcommitable resources"]),
        ("resources: {limits: {example.com/gpu: 500m}}", ["must be an integer"] * 2),
        ("securityContext: {runAsUser: -1}", ["runAsUser: Invalid value: -1: must be between 0 and 2147483647"]),
        ("securityContext: {runAsGroup: 2147483648}", ["runAsGroup: Invalid value: 2147483648"]),
        (
            "securityContext: {privileged: true, allowPrivilegeEscalation: false}",
            ["cannot set `allowPrivilegeEscalation` to false and `privileged` to true"],
        ),
        (
            "securityContext: {capabilities: {add: [CAP_SYS_ADMIN]}, allowPrivilegeEscalation: false}",
            ["cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"],
        ),
        ("securityContext: {procMount: Unmasked}", ["`hostUsers` must be false to use `Unmasked`"]),
        ("securityContext: {procMount: X}", ['supported values: "Default", "Unmasked"']),
        (
            "securityContext: {seccompProfile: {}}",
            ["type: Required value: type is required when seccompProfile is set"],
        ),
        ("securityContext: {seccompProfile: {type: Localhost}}", ["must be set when seccomp type is Localhost"]),
        (
            "securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../x}}",
            ["localhostProfile: Invalid value: \"../x\": must not contain '..'"],
        ),
        ("restartPolicy: Sometimes", ['supported values: "Always", "Never", "OnFailure"']),
        (
            "restartPolicyRules: [{action: Restart}]",
            [
                "must specify restartPolicy",
            ],
        ),
        (
            "{restartPolicy: Never, restartPolicyRules: [{action: RestartAll, exitCodes: {operator: Is}}]}",
            ['supported values: "Restart"', 'supported values: "In", "NotIn"'],
        ),
        ("lifecycle: {stopSignal: SIGUSR1}", ["may not be set for containers with empty `spec.os.name`"]),
    ],
)
def test_containers(container: str, errors: list[str]) -> None:
    check(errors_of(container=container), errors)


def check(found: list[str], expected: list[str]) -> None:
    assert len(found) == len(expected), found
    for error, part in zip(found, expected, strict=True):
        assert part in error


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        ("containers: []", ["spec.containers: Required value"]),
        (
            "containers: [{name: a, image: i}, {name: a, image: i}]",
            ['spec.containers[1].name: Duplicate value: "a"'],
        ),
        ("initContainers: [{name: app, image: i}]", ['spec.initContainers[0].name: Duplicate value: "app"']),
        (
            "initContainers: [{name: i, image: i, livenessProbe: {exec: {command: [a]}}, lifecycle: {}}]",
            [
                "initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=",
                "initContainers[0].livenessProbe: Forbidden: may not be set for init containers without",
            ],
        ),
        (
            "restartPolicy: Sometimes",
            ['"Sometimes": supported values: "Always", "OnFailure", "Never"'],
        ),
        ("dnsPolicy: X", ['supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"']),
        ("dnsPolicy: None", ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"]),
        ("{dnsPolicy: None, dnsConfig: {}}", ["must provide at least one DNS nameserver when `dnsPolicy` is None"]),
        ("dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}", ["must not have more than 3 nameservers"]),
        ("dnsConfig: {nameservers: [x]}", ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
        (f"dnsConfig: {{searches: [{', '.join(['a'] * 33)}]}}", ["must not have more than 32 search paths"]),
        (f"dnsConfig: {{searches: [{', '.join(['a' * 250] * 9)}]}}", ["must not have more than 2048 characters"]),
        ("dnsConfig: {searches: [., _tcp.example.com., 'a b']}", ['searches[2]: Invalid value: "a b"']),
        ("dnsConfig: {options: [{value: x}]}", ["options[0]: Required value: must not be empty"]),
        ("hostname: a.b", ['spec.hostname: Invalid value: "a.b": must not contain dots']),
        ("subdomain: A", [f'spec.subdomain: Invalid value: "A": {LABEL_HINT}']),
        ("activeDeadlineSeconds: 0", ["Invalid value: 0: must be between 1 and 2147483647, inclusive"]),
        ("hostAliases: [{ip: x, hostnames: ['A!']}]", ["hostAliases[0].ip", "hostAliases[0].hostnames[0]"]),
        ("nodeName: 'A b'", ["spec.nodeName: Invalid value"]),
        ("serviceAccountName: 'A b'", ["spec.serviceAccountName: Invalid value"]),
        ("readinessGates: [{conditionType: ' '}]", ["readinessGates[0].conditionType: Invalid value"]),
        (
            "{hostNetwork: true, containers: [{name: a, image: i, ports: [{containerPort: 80, hostPort: 81}]}]}",
            ["ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"],
        ),
        ("{hostPID: true, shareProcessNamespace: true}", ["ShareProcessNamespace and HostPID cannot both be enabled"]),
        ("securityContext: {supplementalGroups: [-1]}", ["securityContext.supplementalGroups[0]: Invalid value: -1"]),
        ("securityContext: {supplementalGroupsPolicy: X}", ['supported values: "Merge", "Strict"']),
        (
            "securityContext: {sysctls: [{name: 'a b', value: ''}]}",
            ["must have at most 253 characters and match regex"],
        ),
        (
            "securityContext: {sysctls: [{name: a.b, value: ''}, {name: a.b, value: ''}]}",
            ['sysctls[1].name: Duplicate value: "a.b"'],
        ),
        (
            "{hostNetwork: true, securityContext: {sysctls: [{name: net/ipv4/x, value: ''}]}}",
            ["may not be specified when 'hostNetwork' is true"],
        ),
        (
            "{hostIPC: true, securityContext: {sysctls: [{name: kernel.shmmax, value: ''}]}}",
            ["may not be specified when 'hostIPC' is true"],
        ),
        ("volumes: [{emptyDir: {}}]", ["spec.volumes[0].name: Required value"]),
        ("volumes: [{name: a}, {name: a}]", ['spec.volumes[1].name: Duplicate value: "a"']),
        (
            "volumes: [{name: a, emptyDir: {}, hostPath: {path: /a}}]",
            ["Forbidden: may not specify more than 1 volume type"],
        ),
        ("volumes: [{name: a, emptyDir: {sizeLimit: x}}]", ['emptyDir.sizeLimit: Invalid value: "x"']),
        ("volumes: [{name: a, hostPath: {path: ''}}]", ["spec.volumes[0].hostPath.path: Required value"]),
        ("volumes: [{name: a, hostPath: {path: /a/../b}}]", ["must not contain '..'"]),
        ("volumes: [{name: a, hostPath: {path: /a, type: X}}]", ['supported values: "", "BlockDevice"']),
        (
            "ephemeralContainers: [{name: d, image: i}]",
            ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
        ),
        ("{nodeName: a, schedulingGates: [{name: x}]}", ["cannot be set until all schedulingGates have been cleared"]),
        ("schedulingGates: [{name: x}, {name: x}]", ['schedulingGates[1]: Duplicate value: "x"']),
        ("os: {name: plan9}", ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']),
        ("os: {}", ["spec.os.name: Required value"]),
        (
            "{os: {name: linux}, securityContext: {windowsOptions: {hostProcess: true}}}",
            ["windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
        ),
        (
            "{os: {name: windows}, hostPID: true, securityContext: {runAsUser: 1}}",
            ["spec.hostPID: Forbidden: cannot be set for a windows pod", "spec.securityContext.runAsUser: Forbidden"],
        ),
        ("tolerations: [{operator: Equal}]", ["operator must be Exists when `key` is empty"]),
        ("tolerations: [{key: a, effect: X}]", ['"NoSchedule", "PreferNoSchedule", "NoExecute"']),
        (
            "tolerations: [{key: a, tolerationSeconds: 1}]",
            ["effect must be 'NoExecute' when `tolerationSeconds` is set"],
        ),
        ("nodeSelector: {'a b': c}", ["spec.nodeSelector: Invalid value"]),
        ("topologySpreadConstraints: [{}]", ["maxSkew", "topologyKey", "whenUnsatisfiable"]),
        (
            "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}}",
            ["must have at least one node selector term"],
        ),
        ("hostnameOverride: A", ["spec.hostnameOverride: Invalid value"]),
        ("{hostnameOverride: a, hostNetwork: true}", ["may not be specified when hostNetwork is true"]),
    ],
)
def test_specs(spec: str, errors: list[str]) -> None:
    check(errors_of(spec), errors)


@pytest.mark.parametrize(
    ("mount", "errors"),
    [
        ("{name: v}", ["volumeMounts[0].mountPath: Required value"]),
        ("{name: v, mountPath: /a, subPath: /x}", ['subPath: Invalid value: "/x": must be a relative path']),
        ("{name: v, mountPath: /a, subPath: a/../..}", ["must not contain '..'"]),
        ("{name: v, mountPath: /a, subPath: a, subPathExpr: b}", ["subPathExpr and subPath are mutually exclusive"]),
        (
            "{name: v, mountPath: /a, mountPropagation: X}",
            ['supported values: "Bidirectional", "HostToContainer", "None"'],
        ),
        ("{name: v, mountPath: /a, mountPropagation: Bidirectional}", ["available only to privileged containers"]),
        ("{name: v, mountPath: /a, recursiveReadOnly: X}", ['supported values: "Disabled", "Enabled", "IfPossible"']),
        ("{name: v, mountPath: /a, recursiveReadOnly: Enabled}", ["may only be specified when readOnly is true"]),
        (
            "{name: v, mountPath: /a, readOnly: true, recursiveReadOnly: Enabled, mountPropagation: HostToContainer}",
            ["may only be specified when mountPropagation is None or not specified"],
        ),
    ],
)
def test_mounts(mount: str, errors: list[str]) -> None:
    check(errors_of("volumes: [{name: v, emptyDir: {}}]", container=f"volumeMounts: [{mount}]"), errors)


def test_two_mounts_on_one_path() -> None:
    mounts = "volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]"
    check(errors_of("volumes: [{name: v}]", container=mounts), ['mountPath: Invalid value: "/a": must be unique'])


def test_stop_signals_need_an_operating_system() -> None:
    assert errors_of("os: {name: linux}", container="lifecycle: {stopSignal: SIGRTMIN+3}") == []
    check(errors_of("os: {name: linux}", container="lifecycle: {stopSignal: USR1}"), ['Unsupported value: "USR1"'])


def test_one_error_and_several_make_one_message() -> None:
    pod = Pod()
    pod.metadata.name = "x"
    pod.metadata.namespace = "default"
    set_pod_defaults(pod)
    one = InvalidObjectError("Pod", "x", validate_pod_create(pod))
    assert str(one) == 'Pod "x" is invalid: spec.containers: Required value'
    pod.metadata.namespace = ""
    two = InvalidObjectError("Pod", "x", validate_pod_create(pod))
    assert str(two) == 'Pod "x" is invalid: [metadata.namespace: Required value, spec.containers: Required value]'
    assert [(e.reason, e.field, e.message) for e in two.errors] == [
        ("FieldValueRequired", "metadata.namespace", "Required value"),
        ("FieldValueRequired", "spec.containers", "Required value"),
    ]
