"""Events are counted, batched and forgotten."""

import msgspec
import pytest

from pyrt.kube.event import Event
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod
from pyrt.pods.events import NORMAL, WARNING, EventRecorder
from pyrt.store import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as opened:
        yield opened


def pod(uid="u1"):
    return Pod(metadata=ObjectMeta(name="web", namespace="ns", uid=uid))


def events(store):

    return [msgspec.json.decode(item.data, type=Event) for item in store.objects.list("Event")[0]]


async def test_an_event(store):
    recorder = EventRecorder(store, "node1")
    recorder.emit(pod(), WARNING, "Failed", "it broke", container="app")
    recorder.flush()
    (event,) = events(store)
    assert (event.type, event.reason, event.message, event.count) == (WARNING, "Failed", "it broke", 1)
    assert event.involved_object.field_path == "spec.containers{app}"
    assert event.involved_object.uid == "u1"
    assert event.source.host == "node1"


async def test_equal_events_are_counted(store):
    recorder = EventRecorder(store, "node1")
    for _ in range(3):
        recorder.emit(pod(), NORMAL, "Pulled", "x")
    recorder.flush()
    recorder.emit(pod(), NORMAL, "Pulled", "x")
    recorder.emit(pod("u2"), NORMAL, "Pulled", "x")
    recorder.flush()
    assert sorted(event.count for event in events(store)) == [1, 4]


async def test_a_deleted_event_is_made_anew(store):
    recorder = EventRecorder(store, "node1")
    recorder.emit(pod(), NORMAL, "Pulled", "x")
    recorder.flush()
    (event,) = events(store)
    store.objects.delete("Event", "ns", event.metadata.name)
    recorder.emit(pod(), NORMAL, "Pulled", "x")
    recorder.flush()
    assert [event.count for event in events(store)] == [1]


async def test_long_messages_are_cut(store):
    recorder = EventRecorder(store, "node1")
    recorder.emit(pod(), NORMAL, "Long", "x" * 5000)
    recorder.close()
    assert len(events(store)[0].message) == 1024


async def test_old_ones_are_forgotten(store):
    recorder = EventRecorder(store, "node1")
    recorder.emit(pod(), NORMAL, "Old", "x")
    recorder.flush()
    store.objects.expire("Event", 2**40)
    recorder.forget("u1")
    recorder.emit(pod(), NORMAL, "Old", "x")
    recorder.flush()
    assert [event.count for event in events(store)] == [1]


async def test_events_wait_for_a_disk_that_is_full(store, caplog):
    """Nothing is lost, and nothing is counted twice."""
    recorder = EventRecorder(store, "node1")
    recorder.emit(pod(), NORMAL, "Pulled", "x")
    recorder.flush()
    store.execute("PRAGMA max_page_count = 1")  # no more than there are
    recorder.emit(pod(), NORMAL, "Pulled", "x")
    for number in range(100):
        recorder.emit(pod(f"other{number}"), WARNING, "Failed", f"{number} " + "y" * 900)
    recorder.flush()
    assert "101 events are not written yet" in caplog.text
    assert [event.count for event in events(store)] == [1]
    store.execute("PRAGMA max_page_count = 1000000")
    recorder.flush()
    counts = {event.reason: event.count for event in events(store)}
    assert (len(events(store)), counts) == (101, {"Pulled": 2, "Failed": 1})


async def test_pods_that_are_started_go_first(store):
    starting = True
    recorder = EventRecorder(store, "node1", busy=lambda: starting)
    recorder.emit(pod(), NORMAL, "Pulled", "x")
    recorder._due()
    assert not events(store)
    starting = False
    recorder._due()
    assert len(events(store)) == 1
    recorder.close()
