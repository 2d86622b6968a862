"""When volumes are brought up to date: once something they are made from has changed, and never on the way down."""

from __future__ import annotations

import dataclasses

from pyrt.pods.model import PrepareVolumes, RefreshVolumes
from pyrt.pods.reconcile import reconcile
from tests.unit.pods.simulation import World
from tests.unit.pods.test_reconcile import a_pod


def changed(world: World) -> list[type]:
    """What is done after a change."""
    observed = dataclasses.replace(world.observed, volumes_stale=True)
    return [type(action) for action in reconcile(world.pod, observed, world.now).actions]


def test_of_a_running_pod() -> None:
    world = World(a_pod())
    world.step()
    assert changed(world) == [RefreshVolumes]


def test_before_they_were_made() -> None:
    kinds = changed(World(a_pod()))
    assert RefreshVolumes not in kinds
    assert PrepareVolumes in kinds


def test_before_a_container_is_started_again() -> None:
    world = World(a_pod())
    world.step()
    world.exit("app", 1, then=False)
    assert changed(world)[0] is RefreshVolumes


def test_of_a_pod_that_goes() -> None:
    world = World(a_pod())
    world.step()
    world.pod.metadata.deletion_timestamp = "2027-01-15T08:00:30Z"
    world.pod.metadata.deletion_grace_period_seconds = 30
    assert RefreshVolumes not in changed(world)
