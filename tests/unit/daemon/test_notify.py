"""sd_notify, without systemd."""

import os
import socket

import pytest

from pyrt.daemon.notify import Notifier


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        yield server


def test_ready_and_stopping(manager):
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.ready("3 pods")
    assert manager.recv(1000).decode() == f"READY=1\nSTATUS=3 pods\nMAINPID={os.getpid()}"
    notifier.stopping()
    assert manager.recv(1000) == b"STOPPING=1"


async def test_the_watchdog_is_fed_from_the_loop(manager):
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}
    notifier = Notifier(environment)
    notifier.ready("")
    manager.recv(1000)
    assert manager.recv(1000) == b"WATCHDOG=1"
    notifier.stopping()


async def test_the_watchdog_of_another_process_is_not_ours(manager):
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"})
    notifier.ready("")
    manager.recv(1000)
    notifier.stopping()
    assert manager.recv(1000) == b"STOPPING=1"


def test_abstract_sockets():
    name = f"pyrt-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        server.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).status("x")
        assert server.recv(100) == b"STATUS=x"


def test_without_a_manager_nothing_is_said():
    Notifier({}).ready("")


def test_a_manager_that_is_gone_does_no_harm(tmp_path):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).status("x")
