"""Events: the kubelet's words, counted, combined and forgotten."""

from __future__ import annotations

import msgspec
import pytest

from .conftest import FOREVER, IMAGE, container, running


@pytest.mark.core
def test_the_life_of_a_pod_in_events(daemon, name, pod):
    daemon.apply(pod(FOREVER, container={"imagePullPolicy": "IfNotPresent"}, dnsPolicy="Default"))
    daemon.running(name)
    daemon.told(name, "Started")
    told = [
        (e["type"], e["reason"], e["message"]) for e in sorted(daemon.events(name), key=lambda e: e["metadata"]["name"])
    ]
    node = daemon.get(name)["spec"]["nodeName"]
    assert told == [
        ("Normal", "Scheduled", f"Successfully assigned default/{name} to {node}"),
        ("Normal", "Pulled", f'Container image "{IMAGE}" already present on machine'),
        ("Normal", "Created", "Container created"),
        ("Normal", "Started", "Container started"),
    ]
    uid = daemon.get(name)["metadata"]["uid"]
    daemon.pyrt("delete", "pod", name)
    target = f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid={uid},reason=Killing"
    (event,) = daemon.until(lambda: daemon.call("GET", target)["items"])
    assert event["message"] == "Stopping container app"
    assert event["involvedObject"]["fieldPath"] == "spec.containers{app}"
    assert event["source"] == {"component": "kubelet", "host": node}


def test_commands_show_them(daemon, name, pod):
    daemon.apply(pod("exit 1", container={"command": ["/no/such/program"]}))
    event = daemon.told(name, "Failed")
    assert "/no/such/program" in event["message"]
    assert event["message"] in daemon.pyrt("describe", "pod", name).out
    assert event["message"] in daemon.pyrt("events", "--for", f"pod/{name}").out
    assert event["message"] in daemon.pyrt("get", "events").out


def busy(config):
    runtime = msgspec.structs.replace(config.runtime, crash_loop_max_seconds=1)
    return msgspec.structs.replace(config, runtime=runtime)


def test_what_repeats_itself_is_counted(layout, name, pod):
    with running(layout, change=busy) as daemon:
        daemon.apply(pod("exit 1", restartPolicy="Always"))
        daemon.wait_for(name, lambda p: (container(p, "app") or {}).get("restartCount", 0) >= 3)
        daemon.until(lambda: daemon.told(name, "Started")["count"] >= 4)
        assert len([e for e in daemon.events(name) if e["reason"] == "Started"]) == 1
        back_off = daemon.told(name, "BackOff")
        assert back_off["type"] == "Warning"
        assert back_off["firstTimestamp"] <= back_off["lastTimestamp"]
