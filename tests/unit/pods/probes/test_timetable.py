"""One timer for many small things, and the beat of probes, on a clock of the test's own."""

import pytest

from pyrt.kube.container import Container
from pyrt.kube.podstatus import ContainerStatus
from pyrt.kube.probes import Probe, TCPSocketAction
from pyrt.pods.probes import prober as module
from pyrt.pods.probes.prober import PodProbes, Prober
from pyrt.pods.probes.report import Outcome, Report
from pyrt.pods.probes.timetable import GRID, Timetable
from pyrt.pods.probes.verdict import ProbeKind

EPOCH = 1_800_000_000


class Loop:
    """What a Timetable needs of an event loop."""

    def __init__(self):
        self.clock = 1000.0
        self.timers = []
        self.wakes = 0

    def time(self):
        return self.clock

    def call_at(self, when, callback):
        timer = Timer(when, callback, self)
        self.timers.append(timer)
        return timer

    def run(self, seconds):
        end = self.clock + seconds
        while self.timers and (timer := min(self.timers, key=lambda t: t.when)).when <= end + 1e-9:
            self.timers.remove(timer)
            self.clock = max(timer.when, self.clock)
            self.wakes += 1
            timer.callback()
        self.clock = end


class Timer:
    def __init__(self, when, callback, loop):
        self.when, self.callback, self.loop = when, callback, loop

    def cancel(self):
        if self in self.loop.timers:
            self.loop.timers.remove(self)


def test_things_of_one_slot_share_a_wake():
    loop, done = Loop(), []
    table = Timetable(loop)
    for number in range(100):
        table.at(loop.clock + 1 + number * GRID / 1000, lambda n=number: done.append(n))
    loop.run(2)
    assert sorted(done) == list(range(100))
    assert loop.wakes <= 2


def test_earlier_things_come_earlier_and_cancelled_ones_never():
    loop, done = Loop(), []
    table = Timetable(loop)
    table.at(loop.clock + 5, lambda: done.append((5, loop.clock)))
    table.at(loop.clock + 1, lambda: done.append((1, loop.clock)))
    table.at(loop.clock + 3, lambda: done.append((3, loop.clock))).cancel()
    loop.run(10)
    assert [what for what, _ in done] == [1, 5]
    assert all(0 <= at - 1000 - what <= GRID for what, at in done)


def test_what_was_cancelled_wakes_nobody():
    loop = Loop()
    table = Timetable(loop)

    def probe():
        table.at(loop.clock + 1, pytest.fail).cancel()

    table.at(loop.clock + 1, probe)
    loop.run(10)
    assert loop.wakes == 1


class World:
    """A pod's probes with answers that the test chooses."""

    def __init__(self, monkeypatch, **probes):
        self.loop = Loop()
        self.asked = []
        self.answers = {}
        self.takes = 0.0
        self.events = []
        self.changes = 0
        clock = type("time", (), {"time_ns": staticmethod(lambda: self.now)})
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module, "make_check", lambda probe, *_: Check(self, self.kind_of[id(probe)]))
        self.kind_of = {}
        fields = {}
        for name, changes in probes.items():
            probe = Probe(tcp_socket=TCPSocketAction(port=1), timeout_seconds=1, success_threshold=1, **changes)
            self.kind_of[id(probe)] = name
            fields[f"{name}_probe"] = probe
        self.container = Container(name="c", **fields)
        self.restart()

    @property
    def now(self):
        return int((EPOCH + self.loop.clock - 1000) * 1e9)

    def restart(self):
        """Another daemon."""
        self.loop.timers.clear()
        prober = Prober(None)
        prober.__dict__["timetable"] = Timetable(self.loop)
        prober.__dict__["poller"] = None
        self.probes = PodProbes(prober, lambda *event: self.events.append(event), self.changed)

    def changed(self):
        self.changes += 1
        self.look()

    def look(self, started=0.0, ending=False, known=None):
        self.started = getattr(self, "started", None) or int((EPOCH + started) * 1e9)
        return self.probes.follow(
            self.container, "id", started_at=self.started, address="10.0.0.1", ending=ending, known=known
        )

    def times(self, kind):
        return [round(at - 1000, 1) for name, at in self.asked if name == kind]


class Check:
    keeps_time = False

    def __init__(self, world, kind):
        self.world, self.kind = world, kind

    def begin(self, done):
        self.world.asked.append((self.kind, self.world.loop.clock))
        answer = self.world.answers.get(self.kind, Outcome.SUCCESS)
        if answer is None:
            return self
        if self.world.takes:
            self.world.loop.call_at(self.world.loop.clock + self.world.takes, lambda: done(Report(answer, "told")))
        else:
            done(Report(answer, "told"))
        return self

    def expire(self):
        return Report(Outcome.FAILURE, "too late")

    def cancel(self):
        pass


def settings(period=10, failure=3, delay=0, **more):
    return {"period_seconds": period, "failure_threshold": failure, "initial_delay_seconds": delay, **more}


def test_readiness_is_asked_at_once_and_liveness_after_a_period(monkeypatch):
    world = World(monkeypatch, readiness=settings(), liveness=settings())
    assert not world.look().ready
    world.loop.run(35)
    assert world.times("readiness") == [0, 10, 20, 30]
    assert world.times("liveness") == [10, 20, 30]
    assert world.look().ready


def test_the_initial_delay(monkeypatch):
    world = World(monkeypatch, readiness=settings(delay=7), liveness=settings(delay=3))
    world.look()
    world.loop.run(15)
    assert world.times("readiness") == [7]
    assert world.times("liveness") == [3, 13]


def test_startup_comes_first_and_alone(monkeypatch):
    world = World(
        monkeypatch, startup=settings(period=1, failure=30), readiness=settings(), liveness=settings(period=5)
    )
    world.answers["startup"] = Outcome.FAILURE
    world.look()
    world.loop.run(4.5)
    assert (world.times("startup"), world.times("readiness"), world.times("liveness")) == ([1, 2, 3, 4], [], [])
    assert (world.look().started, world.look().ready, world.look().failed) == (False, False, None)
    world.answers["startup"] = Outcome.SUCCESS
    world.loop.run(10)
    assert world.times("startup") == [1, 2, 3, 4, 5]
    assert world.times("readiness") == [5]
    assert world.times("liveness") == [10]
    assert (world.look().started, world.look().ready) == (True, True)


def test_a_failed_probe_is_told_and_rests(monkeypatch):
    world = World(monkeypatch, liveness=settings(period=1, failure=2))
    world.answers["liveness"] = Outcome.FAILURE
    world.look()
    world.loop.run(10)
    assert world.times("liveness") == [1, 2]
    assert world.look().failed is ProbeKind.LIVENESS
    assert world.events == [("Unhealthy", "Liveness probe failed: told", "c")] * 2
    assert world.changes == 1


def test_an_error_is_tried_three_times_told_once_and_no_result(monkeypatch):
    world = World(monkeypatch, liveness=settings(period=1, failure=1))
    world.answers["liveness"] = Outcome.ERROR
    world.look()
    world.loop.run(2.5)
    assert world.times("liveness") == [1, 1, 1, 2, 2, 2]
    assert [event[1] for event in world.events] == ["Liveness probe errored and resulted in unknown state: told"] * 2
    assert world.look().failed is None


def test_a_warning_is_a_success(monkeypatch):
    world = World(monkeypatch, readiness=settings())
    world.answers["readiness"] = Outcome.WARNING
    world.look()
    world.loop.run(1)
    assert world.look().ready
    assert world.events == [("ProbeWarning", "Readiness probe warning: told", "c")]


def test_no_answer_in_time_is_a_failure(monkeypatch):
    world = World(monkeypatch, readiness=settings(failure=1))
    world.look()
    world.loop.run(1)
    world.answers["readiness"] = None
    world.loop.run(9.5)
    assert world.look().ready
    world.loop.run(1)
    assert not world.look().ready
    assert world.events == [("Unhealthy", "Readiness probe failed: too late", "c")]


def test_who_takes_longer_than_a_period_is_asked_again_at_once_and_then_on_the_beat(monkeypatch):
    world = World(monkeypatch, readiness=settings(period=1))
    world.container.readiness_probe.timeout_seconds = 60
    world.takes = 2.5
    world.look()
    world.loop.run(4)
    world.takes = 0
    world.loop.run(3)
    assert world.times("readiness") == [0, 2.5, 5, 6, 7]


def test_on_the_way_down_only_readiness_is_asked(monkeypatch):
    world = World(monkeypatch, readiness=settings(period=1), liveness=settings(period=1))
    world.look()
    world.loop.run(1.5)
    world.look(ending=True)
    world.loop.run(2)
    assert world.times("liveness") == [1]
    assert world.times("readiness") == [0, 1, 2, 3]


def test_another_daemon_believes_the_status_and_spreads_its_first_probes(monkeypatch):
    world = World(monkeypatch, startup=settings(), readiness=settings(), liveness=settings())
    world.look()
    world.loop.run(30)
    world.restart()
    world.asked.clear()
    monkeypatch.setattr(module.random, "random", lambda: 0.5)
    held = world.look(known=ContainerStatus(name="c", started=True, ready=True))
    assert (held.started, held.ready) == (True, True)
    world.loop.run(10)
    assert world.times("startup") == []
    assert world.times("readiness") == world.times("liveness") == [35]


def test_another_daemon_does_not_make_anybody_ready(monkeypatch):
    world = World(monkeypatch, readiness=settings())
    world.answers["readiness"] = Outcome.FAILURE
    world.look()
    world.loop.run(1)
    world.restart()
    assert not world.look(known=ContainerStatus(name="c", started=True, ready=False)).ready


def test_a_container_that_runs_no_more_is_not_asked(monkeypatch):
    world = World(monkeypatch, readiness=settings(period=1))
    world.look()
    world.loop.run(1.5)
    world.probes.retain(set())
    world.loop.run(10)
    assert world.times("readiness") == [0, 1]
    assert world.loop.timers == []
