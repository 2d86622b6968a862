"""What is given back at the end of the start."""

from __future__ import annotations

from pyrt.daemon.memory import _libraries, give_back

MAPS = """\
00400000-00401000 r-xp 00000000 08:01 10   /usr/bin/python3.11
7f0000000000-7f0000010000 r--p 00000000 08:01 11   /usr/lib/libssl.so.3
7f0000010000-7f0000020000 r-xp 00010000 08:01 11   /usr/lib/libssl.so.3
7f0000020000-7f0000021000 rw-p 00020000 08:01 11   /usr/lib/libssl.so.3
7f0000030000-7f0000031000 r-xp 00000000 08:01 12   /opt/a dir/_c.cpython-311.so
7f0000040000-7f0000041000 r-xp 00000000 00:00 0
7fff00000000-7fff00002000 r-xp 00000000 00:00 0    [vdso]
"""


def test_only_code_of_libraries():
    assert _libraries(MAPS) == [(0x7F0000010000, 0x7F0000020000), (0x7F0000030000, 0x7F0000031000)]


def test_everything_still_works_afterwards():
    give_back()
    assert sorted([3, 1, 2]) == [1, 2, 3]
