"""A container with a terminal of its own."""

from __future__ import annotations

import pytest

from pyrt import spec

pytestmark = pytest.mark.core


def test_terminal(box):
    box.process(terminal=True, console_size=spec.Box(height=33, width=99))
    running = box.start(
        "sh",
        "-c",
        "tty; stty size; ls -l /dev/console; test -t 0 -a -t 1 -a -t 2 && echo terminal; cat /proc/self/stat",
    )
    lines = running.finish().output.split("\r\n")
    assert lines[:2] == ["/dev/pts/0", "33 99"]
    assert "136,   0" in lines[2]
    assert lines[3] == "terminal"
    assert lines[4].split()[6] != "0"  # tty_nr: it controls the session


def test_terminal_belongs_to_the_user(box):
    box.process(terminal=True, user=spec.User(uid=1000, gid=1000))
    assert box.run("stat", "-c", "%u %g", "/dev/pts/0").output == "1000 5\r\n"


def test_console_works_with_a_readonly_root(box):
    box.readonly()
    box.process(terminal=True)
    assert box.sh("echo hello > /dev/console").output == "hello\r\n"
