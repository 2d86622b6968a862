from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pyrt.kube.admission import admit_pod
from pyrt.kube.decode import from_object
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.manifest import load_documents
from pyrt.kube.pod import Pod
from pyrt.kube.support import TABLE, Level, check, rows

ROOT = Path(__file__).resolve().parents[3]


def findings(spec: str) -> tuple[list[str], list[str]]:
    base = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "i"}], **load_documents(spec)[0]}}
    pod = from_object(base, Pod)
    set_pod_defaults(pod)
    refused, warnings = check(pod)
    admit_pod(pod)
    assert check(pod) == (refused, warnings)
    return [str(error) for error in refused], list(warnings)


def test_what_everyone_uses_is_honoured() -> None:
    assert findings("hostNetwork: true") == ([], [])


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (
            "volumes: [{name: a}, {name: b, projected: {sources: [{}, {podCertificate: {}}]}}]",
            "spec.volumes[1].projected.sources[1].podCertificate",
        ),
        ("volumes: [{name: a, nfs: {server: a, path: /}}]", "spec.volumes[0].nfs"),
        ("volumes: [{name: a, emptyDir: {medium: Disk}}]", "spec.volumes[0].emptyDir.medium"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(spec: str, path: str) -> None:
    assert findings(spec) == ([f"{path}: Forbidden: not supported by this version of pyrt"], [])


def test_a_service_account_token_cannot_be_had() -> None:
    refused, _ = findings("volumes: [{name: a, projected: {sources: [{serviceAccountToken: {path: token}}]}}]")
    assert refused == [
        "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: not supported: there is no service "
        "account to speak for"
    ]


def test_host_process_is_refused() -> None:
    refused, _ = findings("securityContext: {windowsOptions: {hostProcess: true}}")
    assert refused == [
        "spec.securityContext.windowsOptions: Forbidden: Windows options are not supported: pyrt runs Linux containers"
    ]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("nodeSelector: {a: b}", "spec.nodeSelector"),
        ("schedulerName: mine", "spec.schedulerName"),
        ("tolerations: [{operator: Exists}]", "spec.tolerations"),
        ("priorityClassName: high", "spec.priorityClassName"),
        ("affinity: {podAffinity: {}}", "spec.affinity"),
        ("serviceAccountName: robot", "spec.serviceAccountName"),
    ],
)
def test_what_means_nothing_here_is_named_in_a_warning(spec: str, path: str) -> None:
    refused, warnings = findings(spec)
    assert refused == []
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{path}: has no effect: ")


def test_values_that_ask_for_nothing_pass() -> None:
    spec = "{hostUsers: true, automountServiceAccountToken: false, schedulerName: default-scheduler, priority: 0}"
    assert findings(spec) == ([], [])


def test_the_table_names_existing_fields() -> None:
    for kind, lines in TABLE.items():
        assert set(lines) <= set(kind.__struct_encode_fields__), kind


def test_rows_cover_every_field_of_a_spec() -> None:
    levels = dict(rows())
    assert levels["spec.containers[].image"].level is Level.HONOURED
    assert levels["spec.containers[].livenessProbe"].level is Level.HONOURED
    assert levels["spec.nodeSelector"].level is Level.WARNED
    assert len(levels) > 200


def test_the_page_of_the_user_guide_is_current() -> None:
    subprocess.run([sys.executable, ROOT / "scripts/gen-fields", "--check"], check=True)
