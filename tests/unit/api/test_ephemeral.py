"""``pods/ephemeralcontainers``: containers are added to a pod that exists, and nothing else."""

from tests.unit.api.test_objects import PODS, answer, create, running, until

STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
PATH = f"{PODS}/web/ephemeralcontainers"


async def visit(world, *containers, **change):
    body = {"spec": {"ephemeralContainers": list(containers)}} | change
    return await answer(world.client.patch(PATH, json=body, headers=STRATEGIC))


async def test_a_guest_comes_and_its_status_is_shown(world, pod):
    await create(world, pod())
    before = await until(world, "web", running)
    code, patched = await visit(world, {"name": "guest", "image": "busybox:1.36", "targetContainerName": "app"})
    assert code == 200
    (guest,) = patched["spec"]["ephemeralContainers"]
    assert guest["terminationMessagePolicy"] == "File"
    assert guest["imagePullPolicy"] == "IfNotPresent"
    assert patched["metadata"]["generation"] == before["metadata"]["generation"] + 1

    def shown(event):
        found = event["object"]["status"].get("ephemeralContainerStatuses", [{}])
        return "running" in found[0].get("state", {})

    status = (await until(world, "web", shown))["status"]["ephemeralContainerStatuses"][0]
    assert status["name"] == "guest"
    assert status["containerID"]
    configs = [call[1] for call in world.runtime.calls if call[0] == "create_container"]
    assert configs[-1].pid_target == next(c.id for c in world.runtime.containers.values() if c.config.name == "app")


async def test_a_whole_pod_may_be_put(world, pod):
    await create(world, pod())
    found = await until(world, "web", running)
    found["spec"]["ephemeralContainers"] = [{"name": "guest", "image": "busybox:1.36"}]
    found["spec"]["containers"][0]["image"] = "other"
    found["metadata"]["labels"] = {"a": "b"}
    code, put = await answer(world.client.put(PATH, json=found))
    assert code == 200
    assert put["spec"]["containers"][0]["image"] == "busybox:1.36"  # nothing else is written here
    assert "labels" not in put["metadata"]


async def test_guests_are_not_changed_and_not_removed(world, pod):
    await create(world, pod())
    _, found = await visit(world, {"name": "guest", "image": "busybox:1.36"})
    code, error = await visit(world, {"name": "guest", "image": "busybox:2"})
    assert code == 422
    assert 'existing ephemeral containers "guest" may not be changed\n@@ -' in error["message"]
    found["spec"]["ephemeralContainers"] = []
    del found["metadata"]["resourceVersion"]
    code, error = await answer(world.client.put(PATH, json=found))
    assert code == 422
    assert error["details"]["causes"] == [
        {
            "reason": "FieldValueForbidden",
            "message": 'Forbidden: existing ephemeral containers "guest" may not be removed\n',
            "field": "spec.ephemeralContainers",
        }
    ]


async def test_what_a_guest_may_not_have(world, pod):
    await create(world, pod())
    for field, value, path in (
        ("ports", [{"containerPort": 80}], "ports"),
        ("resources", {"limits": {"cpu": "1"}}, "resources"),
        ("livenessProbe", {"exec": {"command": ["a"]}}, "livenessProbe"),
        ("restartPolicy", "Always", "restartPolicy"),
    ):
        code, error = await visit(world, {"name": "guest", "image": "i", field: value})
        assert code == 422
        wanted = f"spec.ephemeralContainers[0].{path}: Forbidden: cannot be set for an Ephemeral Container"
        assert wanted in error["message"]
    _, error = await visit(world, {"name": "app", "image": "i"})
    assert 'spec.ephemeralContainers[0].name: Duplicate value: "app"' in error["message"]
    _, error = await visit(world, {"name": "guest", "image": "i", "targetContainerName": "nobody"})
    assert 'spec.ephemeralContainers[0].targetContainerName: Not found: "nobody"' in error["message"]


async def test_a_new_pod_has_no_guests(world, pod):
    manifest = pod(ephemeralContainers=[{"name": "guest", "image": "i"}])
    code, error = await create(world, manifest)
    assert code == 422
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in error["message"]


async def test_and_an_update_of_the_pod_brings_none(world, pod):
    await create(world, pod())
    body = {"spec": {"ephemeralContainers": [{"name": "guest", "image": "i"}]}}
    code, error = await answer(world.client.patch(f"{PODS}/web", json=body, headers=STRATEGIC))
    assert code == 422
    assert "pod updates may not change fields other than" in error["message"]


async def test_discovery_knows_of_it(world):
    _, found = await answer(world.client.get("/api/v1"))
    (entry,) = [e for e in found["resources"] if e["name"] == "pods/ephemeralcontainers"]
    assert entry["verbs"] == ["get", "patch", "update"]
    code, _ = await answer(world.client.post(PATH, json={}))
    assert code == 405


async def test_a_condition_for_a_readiness_gate_is_written_through_status(world, pod):
    await create(world, pod(readinessGates=[{"conditionType": "example.com/load-balancer"}]))
    await until(world, "web", running)
    condition = {"type": "example.com/load-balancer", "status": "True"}
    body = {"status": {"phase": "Failed", "conditions": [condition, {"type": "Ready", "status": "Unknown"}]}}
    code, patched = await answer(world.client.patch(f"{PODS}/web/status", json=body, headers=STRATEGIC))
    assert code == 200
    assert patched["status"]["phase"] == "Running"

    def ready(event):
        return {c["type"]: c["status"] for c in event["object"]["status"]["conditions"]}["Ready"] == "True"

    await until(world, "web", ready)
