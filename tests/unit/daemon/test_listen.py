"""The API socket: its mode, stale ones, living ones."""

import os
import socket
import stat

import pytest

from pyrt.daemon import listen
from pyrt.daemon.errors import DaemonError


def test_the_mode_holds_from_the_first_moment(tmp_path):
    path = tmp_path / "run" / "pyrt.sock"
    with listen.listen(path, 0o600):
        info = os.stat(path)
        assert stat.S_ISSOCK(info.st_mode)
        assert stat.S_IMODE(info.st_mode) == 0o600
        assert os.listdir(path.parent) == ["pyrt.sock"]


def test_a_stale_socket_is_replaced(tmp_path):
    path = tmp_path / "pyrt.sock"
    listen.listen(path, 0o600).close()
    with listen.listen(path, 0o600), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_living_daemon_is_not_pushed_aside(tmp_path):
    path = tmp_path / "pyrt.sock"
    with listen.listen(path, 0o600), pytest.raises(DaemonError, match="another daemon answers"):
        listen.listen(path, 0o600)


def test_what_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "pyrt.sock"
    path.write_text("precious")
    with pytest.raises(DaemonError):
        listen.listen(path, 0o600)
    assert path.read_text() == "precious"


def test_the_name_is_removed_at_the_end(tmp_path):
    path = tmp_path / "pyrt.sock"
    server = listen.listen(path, 0o600)
    listen.forget(path, server)
    assert not path.exists()


def test_the_name_of_a_successor_is_kept(tmp_path):
    path = tmp_path / "pyrt.sock"
    first = listen.listen(path, 0o600)
    path.unlink()
    with listen.listen(path, 0o600):
        listen.forget(path, first)
        assert path.exists()


def test_long_paths_are_bound_too(tmp_path):
    path = tmp_path / ("x" * (95 - len(str(tmp_path)))) / "p.sock" if len(str(tmp_path)) < 90 else tmp_path / "p.sock"
    with listen.listen(path, 0o600):
        assert path.exists()


def test_no_activation_without_its_environment(tmp_path):
    assert listen.activated_socket(tmp_path / "s", {}) is None
    assert listen.activated_socket(tmp_path / "s", {"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is None
