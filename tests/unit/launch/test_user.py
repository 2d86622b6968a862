"""Names to numbers, from files nobody should trust."""

from __future__ import annotations

import os

import pytest

from pyrt.launch import LaunchError
from pyrt.launch.user import Identity, lookup, resolve, resolve_in_layers

PASSWD = """root:x:0:0:root:/root:/bin/sh
www-data:x:33:33::/var/www:
# comment
broken
bad:x:-1:zz::/:
app:x:1000:1004::/app:
"""
GROUP = "root:x:0:\nwww-data:x:33:\nextra:x:50:app,www-data\nmore:x:60:app\nbad:x:99999999999:app\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Identity(0, 0, (), "/root", "root")),
        ("root", Identity(0, 0, (), "/root", "root")),
        ("www-data", Identity(33, 33, (50,), "/var/www", "www-data")),
        ("1000", Identity(1000, 1004, (50, 60), "/app", "app")),
        ("4242", Identity(4242, 0, (), "/", "")),
        ("4242:7", Identity(4242, 7, (), "/", "")),
        ("app:www-data", Identity(1000, 33, (50, 60), "/app", "app")),
        ("app:50", Identity(1000, 50, (60,), "/app", "app")),
    ],
)
def test_lookup(user, expected):
    assert lookup(PASSWD, GROUP, user) == expected


def test_run_as_group_and_strict_policy():
    assert lookup(PASSWD, GROUP, "app", gid=5, merge_groups=False) == Identity(1000, 5, (), "/app", "app")


@pytest.mark.parametrize("user", ["nobody-here", "app:no-such-group", "99999999999", "bad"])
def test_unknown(user):
    with pytest.raises(LaunchError):
        lookup(PASSWD, GROUP, user)


def test_no_files_at_all(tmp_path):
    fd = os.open(tmp_path, os.O_PATH)
    assert resolve(fd, "12:34") == Identity(12, 34)
    with pytest.raises(LaunchError, match="no such user"):
        resolve(fd, "app")
    os.close(fd)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    fd = os.open(tmp_path, os.O_PATH)
    yield tmp_path, fd
    os.close(fd)


def test_a_link_to_the_host_stays_inside(root):
    path, fd = root
    (path / "etc/passwd").symlink_to("/../../../../../etc/passwd")
    # In the image, /etc/passwd links to itself.
    with pytest.raises(LaunchError, match="Too many levels"):
        resolve(fd, "root")


def test_a_fifo_does_not_block(root):
    path, fd = root
    os.mkfifo(path / "etc/passwd")
    with pytest.raises(LaunchError, match="not a regular file"):
        resolve(fd, "root")


def test_a_huge_file_is_refused(root):
    path, fd = root
    with open(path / "etc/passwd", "wb") as f:
        f.truncate(1 << 30)
    with pytest.raises(LaunchError, match="larger than"):
        resolve(fd, "root")


def test_the_topmost_layer_has_the_file(tmp_path):
    for name, text in (("low", "app:x:1:1::/:\n"), ("high", "app:x:2:2::/:\n")):
        (tmp_path / name / "etc").mkdir(parents=True)
        (tmp_path / name / "etc/passwd").write_text(text)
    (tmp_path / "top").mkdir()
    layers = [str(tmp_path / name) for name in ("low", "high", "top")]
    assert resolve_in_layers(layers, "app").uid == 2
