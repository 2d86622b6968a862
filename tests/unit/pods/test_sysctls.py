"""Which kernel parameters a pod may ask for."""

from __future__ import annotations

import pytest

from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.security import PodSecurityContext, Sysctl
from pyrt.pods.sysctls import forbidden


def asking(*names: str) -> Pod:
    return Pod(
        spec=PodSpec(security_context=PodSecurityContext(sysctls=[Sysctl(name=name, value="1") for name in names]))
    )


@pytest.mark.parametrize(
    ("names", "allowed", "answer"),
    [
        ((), (), ""),
        (("net.ipv4.tcp_syncookies", "kernel.shm_rmid_forced"), (), ""),
        (("net/ipv4/tcp_syncookies",), (), ""),
        (("net.core.somaxconn",), (), "net.core.somaxconn"),
        (("net.core.somaxconn",), ("net.core.somaxconn",), ""),
        (("net.core.somaxconn",), ("net.core.*",), ""),
        (("net/core/somaxconn",), ("net.core.*",), ""),
        (("net.ipv4.tcp_syncookies", "net.ipv4.ip_forward"), ("net.core.*",), "net.ipv4.ip_forward"),
        (("kernel.msgmax",), ("kernel.*",), ""),
        # Not of any namespace: the host's own, whatever the configuration allows.
        (("kernel.panic",), ("kernel.*",), "kernel.panic"),
        (("vm.swappiness",), ("vm.swappiness",), "vm.swappiness"),
    ],
)
def test_forbidden(names: tuple[str, ...], allowed: tuple[str, ...], answer: str) -> None:
    assert forbidden(asking(*names), allowed) == answer


def test_a_pod_without_any() -> None:
    assert forbidden(Pod(), ()) == ""
