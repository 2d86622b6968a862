"""The table of descriptors of a plan."""

from __future__ import annotations

from pyrt.launch.plan import CloneTree, OpenPath
from pyrt.launch.table import FdTable


def test_a_source_has_one_place_and_a_copy_of_a_mount_one_each() -> None:
    """What has been attached once would be taken away from there by the second mount of it."""
    table = FdTable()
    assert [table.add(OpenPath("/a")), table.add(OpenPath("/a"))] == [0, 0]
    assert [table.add(CloneTree("/a")), table.add(CloneTree("/a"))] == [1, 2]


def test_room_is_kept_for_what_needs_it() -> None:
    table = FdTable()
    while table.has_room:
        table.add(CloneTree("/a"))
    assert len(table.sources()) == 32
