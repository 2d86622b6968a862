"""Probes and hooks as the API server validates and defaults them."""

from __future__ import annotations

import pytest

from pyrt.kube.container import Container
from pyrt.kube.probes import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    HTTPHeader,
    Lifecycle,
    LifecycleHandler,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from pyrt.kube.validation.probes import validate_hooks, validate_probes

GOOD = {"success_threshold": 1, "failure_threshold": 3, "timeout_seconds": 1, "period_seconds": 10}
EXEC = ExecAction(command=["true"])


def probe_errors(**fields: object) -> list[str]:
    kind = str(fields.pop("kind", "liveness"))
    found = validate_probes(Container(name="c", **{f"{kind}_probe": Probe(**{**GOOD, **fields})}), 30, "c")
    return [str(error).removeprefix(f"c.{kind}Probe") for error in found]


def hook_errors(**fields: object) -> list[str]:
    lifecycle = Lifecycle(pre_stop=LifecycleHandler(**fields))
    return [str(e).removeprefix("c.lifecycle.preStop") for e in validate_hooks(Container(lifecycle=lifecycle), 30, "c")]


@pytest.mark.parametrize(
    "fields",
    [
        {"exec": EXEC},
        {
            "http_get": HTTPGetAction(
                path="/", port=80, scheme="HTTPS", http_headers=[HTTPHeader(name="X-A", value="b")]
            )
        },
        {"http_get": HTTPGetAction(path="/", port="web", scheme="HTTP")},
        {"tcp_socket": TCPSocketAction(port=65535)},
        {"grpc": GRPCAction(port=1, service="")},
        {"exec": EXEC, "kind": "readiness", "success_threshold": 5},
        {"exec": EXEC, "kind": "startup", "termination_grace_period_seconds": 1},
    ],
)
def test_good_probes(fields: dict[str, object]) -> None:
    assert probe_errors(**fields) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, ": Required value: must specify a handler type"),
        ({"exec": ExecAction()}, ".exec.command: Required value"),
        (
            {"http_get": HTTPGetAction(path="/", port=0, scheme="HTTP")},
            ".httpGet.port: Invalid value: 0: must be between",
        ),
        ({"http_get": HTTPGetAction(path="", port=1, scheme="HTTP")}, ".httpGet.path: Required value"),
        (
            {"http_get": HTTPGetAction(path="/", port=1, scheme="FTP")},
            '.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
        ),
        (
            {"http_get": HTTPGetAction(path="/", port=1, scheme="HTTP", http_headers=[HTTPHeader(name="a b")])},
            '.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of',
        ),
        (
            {"tcp_socket": TCPSocketAction(port="a--b")},
            '.tcpSocket.port: Invalid value: "a--b": must not contain',
        ),
        ({"grpc": GRPCAction(port=0)}, ".grpc.port: Invalid value: 0: must be between"),
        ({"exec": EXEC, "grpc": GRPCAction(port=1)}, ".grpc: Forbidden: may not specify more than 1 handler type"),
        ({"exec": EXEC, "success_threshold": 2}, ".successThreshold: Invalid value: 2: must be 1"),
        ({"exec": EXEC, "kind": "startup", "success_threshold": 2}, ".successThreshold: Invalid value: 2: must be 1"),
        (
            {"exec": EXEC, "initial_delay_seconds": -1},
            ".initialDelaySeconds: Invalid value: -1: must be greater than or",
        ),
        ({"exec": EXEC, "period_seconds": -1}, ".periodSeconds: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"exec": EXEC, "termination_grace_period_seconds": 0},
            ".terminationGracePeriodSeconds: Invalid value: 0: must be",
        ),
        (
            {"exec": EXEC, "kind": "readiness", "termination_grace_period_seconds": 9},
            ".terminationGracePeriodSeconds: Invalid value: 9: must not be set for readinessProbes",
        ),
    ],
)
def test_bad_probes(fields: dict[str, object], message: str) -> None:
    (error,) = probe_errors(**fields)
    assert error.startswith(message)


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"exec": EXEC}, []),
        ({"sleep": SleepAction(seconds=0)}, []),
        ({"sleep": SleepAction(seconds=30)}, []),
        ({"tcp_socket": TCPSocketAction(port=80)}, []),
        ({}, [": Required value: must specify a handler type"]),
        (
            {"sleep": SleepAction(seconds=31)},
            [".sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)"],
        ),
        (
            {"exec": EXEC, "sleep": SleepAction(seconds=1)},
            [".sleep: Forbidden: may not specify more than 1 handler type"],
        ),
    ],
)
def test_hooks(fields: dict[str, object], messages: list[str]) -> None:
    assert hook_errors(**fields) == messages
