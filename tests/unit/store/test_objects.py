from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrt.store import AlreadyExists, ChangeType, Conflict, FutureVersion, Gone, NotFound, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path, history=4) as store:
        yield store


def test_every_change_has_a_version_of_its_own_over_all_kinds(store: Store) -> None:
    versions = [
        store.objects.create("Pod", "default", "a", "1", b"{}").resource_version,
        store.objects.create("ConfigMap", "default", "a", "2", b"{}").resource_version,
        store.objects.update("Pod", "default", "a", b"{1}").resource_version,
        store.objects.delete("ConfigMap", "default", "a").resource_version,
    ]
    assert versions == sorted(set(versions))
    assert store.resource_version == versions[-1]


def test_the_version_can_be_written_into_the_json(store: Store) -> None:
    made = store.objects.create("Pod", "default", "a", "1", lambda version: b"v%d" % version)
    assert made.data == b"v%d" % made.resource_version
    updated = store.objects.update("Pod", "default", "a", lambda version: b"w%d" % version)
    assert store.objects.get("Pod", "default", "a").data == b"w%d" % updated.resource_version
    deleted = store.objects.delete("Pod", "default", "a", data=lambda version: b"x%d" % version)
    assert deleted.data == b"x%d" % deleted.resource_version


def test_a_name_is_unique_within_kind_and_namespace(store: Store) -> None:
    store.objects.create("Pod", "default", "a", "1", b"{}")
    store.objects.create("Pod", "other", "a", "2", b"{}")
    store.objects.create("Job", "default", "a", "3", b"{}")
    with pytest.raises(AlreadyExists, match=r"^Pod default/a: already exists$"):
        store.objects.create("Pod", "default", "a", "4", b"{}")


def test_what_is_not_there_is_not_found(store: Store) -> None:
    for action in (
        lambda: store.objects.get("Pod", "default", "a"),
        lambda: store.objects.update("Pod", "default", "a", b"{}"),
        lambda: store.objects.delete("Pod", "default", "a"),
    ):
        with pytest.raises(NotFound, match=r"^Pod default/a: not found$"):
            action()
    assert store.objects.find("Pod", "default", "a") is None
    with pytest.raises(NotFound, match=r"^Node vm: not found$"):
        store.objects.get("Node", "", "vm")


def test_an_update_of_an_old_version_conflicts(store: Store) -> None:
    first = store.objects.create("Pod", "default", "a", "1", b"{}")
    second = store.objects.update("Pod", "default", "a", b"{2}", expected=first.resource_version)
    with pytest.raises(Conflict, match="modified") as caught:
        store.objects.update("Pod", "default", "a", b"{3}", expected=first.resource_version)
    assert caught.value.current == second.resource_version
    with pytest.raises(Conflict):
        store.objects.delete("Pod", "default", "a", expected=first.resource_version)
    with pytest.raises(Conflict, match="another uid: expected 9, found 1"):
        store.objects.delete("Pod", "default", "a", uid="9")
    assert store.objects.get("Pod", "default", "a") == second


def test_an_update_that_changes_nothing_makes_no_version(store: Store) -> None:
    first = store.objects.create("Pod", "default", "a", "1", lambda version: b"{%d}" % version)
    with store.objects.watch("Pod") as watch:
        assert store.objects.update("Pod", "default", "a", lambda version: b"{%d}" % version) == first
        assert watch.drain() == []


def test_lists_are_sorted_and_say_from_where_to_watch(store: Store) -> None:
    for namespace, name in (("b", "x"), ("a", "y"), ("a", "x")):
        store.objects.create("Pod", namespace, name, namespace + name, b"{}")
    items, version = store.objects.list("Pod")
    assert [(item.namespace, item.name) for item in items] == [("a", "x"), ("a", "y"), ("b", "x")]
    assert [item.name for item in store.objects.list("Pod", "a")[0]] == ["x", "y"]
    store.objects.delete("Pod", "a", "x")
    with store.objects.watch("Pod", since=version) as watch:
        assert [(change.type, change.object.name) for change in watch.drain()] == [(ChangeType.DELETED, "x")]


def test_a_watch_sees_its_kind_and_namespace_only(store: Store) -> None:
    with store.objects.watch("Pod", "a") as watch:
        store.objects.create("Pod", "a", "x", "1", b"{}")
        store.objects.create("Pod", "b", "x", "2", b"{}")
        store.objects.create("Job", "a", "x", "3", b"{}")
        store.objects.update("Pod", "a", "x", b"{2}")
        store.objects.delete("Pod", "a", "x")
        assert [(change.type.value, change.object.namespace) for change in watch.drain()] == [
            ("ADDED", "a"),
            ("MODIFIED", "a"),
            ("DELETED", "a"),
        ]
        assert watch.drain() == []


async def test_a_waiting_watch_wakes_up_and_ends_when_closed(store: Store) -> None:
    watch = store.objects.watch("Pod")
    loop = asyncio.get_running_loop()
    loop.call_soon(store.objects.create, "Pod", "default", "a", "1", b"{}")
    assert [change.object.name for change in await watch.next_changes()] == ["a"]
    loop.call_soon(store.objects.create, "Pod", "default", "b", "2", b"{}")
    async for change in watch:
        assert change.object.name == "b"
        loop.call_soon(watch.close)
    assert await watch.next_changes() == []


def test_a_watch_from_too_long_ago_is_gone(store: Store) -> None:
    start = store.resource_version
    for number in range(8):
        store.objects.create("Pod", "default", f"p{number}", str(number), b"{}")
    with pytest.raises(Gone, match=r"^watch of Pod: too old resource version"):
        store.objects.watch("Pod", since=start)
    with store.objects.watch("Pod", since=store.resource_version - 4) as watch:
        assert [change.object.name for change in watch.drain()] == ["p4", "p5", "p6", "p7"]
    # Other kinds have a history of their own.
    store.objects.watch("Job", since=start).close()


def test_a_watch_that_falls_behind_is_gone(store: Store) -> None:
    watch = store.objects.watch("Pod")
    for number in range(8):
        store.objects.create("Pod", "default", f"p{number}", str(number), b"{}")
    with pytest.raises(Gone):
        watch.drain()


def test_a_watch_from_the_future_is_refused(store: Store) -> None:
    with pytest.raises(FutureVersion, match="too large resource version"):
        store.objects.watch("Pod", since=store.resource_version + 1)


def test_history_does_not_survive_the_process_but_the_present_does(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        before = store.objects.create("Pod", "default", "a", "1", b"{}").resource_version
        now = store.objects.create("Pod", "default", "b", "2", b"{}").resource_version
    with Store(tmp_path) as store:
        assert store.resource_version == now
        store.objects.watch("Pod", since=now).close()
        with pytest.raises(Gone):
            store.objects.watch("Pod", since=before)


def test_deletion_takes_no_version_back(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.objects.create("Pod", "default", "a", "1", b"{}")
        last = store.objects.delete("Pod", "default", "a").resource_version
    with Store(tmp_path) as store:
        assert store.objects.create("Pod", "default", "a", "2", b"{}").resource_version > last


def test_objects_are_found_by_uid(store: Store) -> None:
    made = store.objects.create("Pod", "default", "a", "u-1", b"{}")
    assert store.objects.find_uid("u-1") == made
    assert store.objects.find_uid("u-2") is None


def test_old_events_expire_and_their_number_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000
    monkeypatch.setattr("time.time", lambda: clock)
    for number in range(6):
        clock = 1000 + number
        store.objects.create("Event", "default", f"e{number}", f"u{number}", b"{}", durable=False)
    with store.objects.watch("Event") as watch:
        assert store.objects.expire("Event", 1002, keep=3) == 3
        assert [change.type for change in watch.drain()] == [ChangeType.DELETED] * 3
    assert [item.name for item in store.objects.list("Event")[0]] == ["e3", "e4", "e5"]
    assert store.objects.expire("Event", 1002, keep=3) == 0
