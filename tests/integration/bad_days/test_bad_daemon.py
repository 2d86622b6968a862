"""A daemon that cannot start, or that finds its surroundings broken: it says what is wrong, and harms nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.integration.daemon.conftest import PATIENCE

from .badregistry import serving
from .conftest import FOREVER, ROOT, prepared, running


@pytest.fixture
def instance():
    """Not started; stopped at the end if the test left it running."""
    with prepared("daemon") as found:
        yield found
        if found.process is not None and found.process.poll() is None:
            found.stop()
            assert "Traceback" not in found.log.read_text()


def refuse(instance):
    """``pyrt daemon`` ends at once with exit code 1 and one line; that line."""
    command = [sys.executable, "-m", "pyrt.cli", "--config", str(instance.file), "daemon"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[network\n", "not valid TOML"),
        ("[network]\nipv4 = 'x'\n", "network.ipv4"),
        ("[network]\nipv4_cidr = '10.0.0.0/33'\n", "network.ipv4_cidr"),
        ("[network]\nmtu = 'big'\n", "network.mtu"),
        ("[nonsense]\n", "nonsense"),
        ("[logs]\nmax_size = '1 banana'\n", "logs.max_size"),
    ],
    ids=["no TOML", "unknown key", "no CIDR", "wrong type", "unknown table", "no size"],
)
def test_a_broken_configuration(instance, text, words):
    instance.file.write_text(f'[paths]\nrun = "{instance.config.paths.run}"\n{text}')
    line = refuse(instance)
    assert str(instance.file) in line
    assert words in line
    said = instance.pyrt("get", "pods")  # the other commands read it too, to find the socket
    assert said.code == 1
    assert str(instance.file) in said.err
    assert words in said.err
    assert "Traceback" not in said.err
    assert not instance.config.paths.run.exists()


def test_a_configuration_that_is_not_there(instance):
    instance.file.unlink()
    assert "No such file or directory" in refuse(instance)


def test_a_database_that_is_none(instance):
    root = instance.config.paths.root
    root.mkdir(parents=True)
    (root / "pyrt.db").write_bytes(b"this is no database" * 1000)
    line = refuse(instance)
    assert f"database {root}/pyrt.db" in line
    assert "not a database" in line
    assert (root / "pyrt.db").read_bytes() == b"this is no database" * 1000


def test_a_command_that_cannot_start_the_daemon(instance):
    """The user reads why, not just that nobody answers."""
    root = instance.config.paths.root
    root.mkdir(parents=True)
    (root / "pyrt.db").write_bytes(b"this is no database" * 1000)
    said = instance.pyrt("get", "pods")
    assert said.code == 1
    assert said.err.startswith("error: the daemon exited with code 1")
    assert "not a database" in said.err


def test_a_daemon_that_is_told_to_go_during_a_pull(layout, pod):
    with serving(layout) as registry, running(layout, "pull") as daemon:
        daemon.create(pod("web", "true", container={"image": f"{registry.host}/stall:1"}))
        daemon.until(lambda: any(path.startswith("/v2/stall/blobs/") for path in registry.asked))
        daemon.stop()
        registry.going.set()
        daemon.start()
        daemon.phase("web", "Succeeded")


def test_a_database_that_is_cut_short(instance):
    instance.start()
    instance.stop()
    database = instance.config.paths.root / "pyrt.db"
    data = database.read_bytes()
    database.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    assert f"database {database}" in refuse(instance)


def test_a_root_that_is_a_file(instance):
    instance.config.paths.root.write_text("")
    assert str(instance.config.paths.root) in refuse(instance)


def test_a_socket_that_a_dead_daemon_left(instance):
    path = instance.config.api_socket
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    instance.start()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_socket_path_that_is_a_file(instance):
    path = instance.config.api_socket
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    assert f"API socket {path}: " in refuse(instance)
    assert path.read_text() == "precious"


def test_only_root_may_speak(instance):
    """The socket is closed to others, and so is all else that tells of the pods."""
    instance.start()
    instance.file.chmod(0o644)
    code = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, instance.socket], capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr
    modes = {path: os.stat(path).st_mode & 0o077 for path in (instance.socket, instance.config.paths.root / "pyrt.db")}
    assert set(modes.values()) == {0}, modes


def test_two_daemons_on_one_root(instance):
    instance.start()
    line = refuse(instance)
    assert "another" in line
    assert str(instance.config.paths.root) in line or instance.socket in line
    assert instance.call("GET", "/version")["major"] == "1"


def test_a_daemon_that_is_told_to_go_while_it_starts(instance):
    code = "import sys; from pyrt.daemon import run; sys.exit(run(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", code, str(instance.file)], cwd=ROOT, stderr=subprocess.PIPE) as early:
        instance.until(lambda: (instance.config.paths.root / "pyrt.db").exists() or early.poll() is not None)
        early.send_signal(signal.SIGTERM)
        assert early.wait(PATIENCE) in (0, -signal.SIGTERM)
        assert b"Traceback" not in early.stderr.read()
    instance.start()


def test_systemd_where_there_is_none(instance):
    if os.path.isdir("/run/systemd/system"):
        pytest.skip("this machine has systemd")
    text = instance.file.read_text()
    assert 'driver = "cgroupfs"' in text
    instance.file.write_text(text.replace('driver = "cgroupfs"', 'driver = "systemd"'))
    assert "systemd" in refuse(instance)


def test_a_pod_directory_that_vanishes(layout, pod):
    """Someone cleans /run: the daemon comes back without it, and the pods are made anew or told to be lost."""
    with running(layout, "vanish") as daemon:
        daemon.create(pod("web", FOREVER, restartPolicy="Always"))
        daemon.running("web")
        daemon.kill()
        for pid in daemon.pod_processes():
            os.kill(pid, signal.SIGKILL)
        for entry in (daemon.config.paths.run / "pods").iterdir():
            shutil.rmtree(entry)
        daemon.start()
        daemon.running("web")
