"""Create, get, list, update, patch and delete, as kubectl does them."""

import asyncio
import json

PODS = "/api/v1/namespaces/default/pods"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


async def answer(request):
    async with request as response:
        return response.status, await response.json()


async def create(world, manifest, query=""):
    return await answer(world.client.post(PODS + query, json=manifest))


async def until(world, name, condition):
    """Follow the pod until the condition holds; the pod as it is then."""
    async with asyncio.timeout(10), world.client.get(f"{PODS}?watch=1&fieldSelector=metadata.name={name}") as stream:
        async for line in stream.content:
            event = json.loads(line)
            if condition(event):
                return event["object"]
    raise AssertionError("the watch ended")


def running(event):
    return event["object"]["status"]["phase"] == "Running"


async def test_a_pod_is_made_and_runs(world, pod):
    status, made = await create(world, pod())
    assert status == 201
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"]["uid"]
    assert made["metadata"]["generation"] == 1
    assert made["spec"]["nodeName"] == "node1"
    assert made["spec"]["restartPolicy"] == "Always"
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    found = await until(world, "web", running)
    assert found["status"]["podIPs"] == [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]
    assert found["status"]["containerStatuses"][0]["image"] == "docker.io/library/busybox:1.36"


async def test_a_name_can_be_generated(world, pod):
    manifest = pod()
    manifest["metadata"] = {"generateName": "job-"}
    _, made = await create(world, manifest)
    assert made["metadata"]["name"].startswith("job-")
    assert len(made["metadata"]["name"]) == 9


async def test_the_same_name_twice(world, pod):
    await create(world, pod())
    status, error = await create(world, pod())
    assert status == 409
    assert error["reason"] == "AlreadyExists"
    assert error["message"] == 'pods "web" already exists'
    assert error["details"] == {"name": "web", "kind": "pods"}


async def test_a_pod_that_is_not_there(world):
    status, error = await answer(world.client.get(f"{PODS}/x"))
    assert status == 404
    assert error == {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "message": 'pods "x" not found',
        "reason": "NotFound",
        "details": {"name": "x", "kind": "pods"},
        "code": 404,
    }


async def test_an_invalid_pod_names_every_field(world, pod):
    manifest = pod("Bad_Name")
    del manifest["spec"]["containers"][0]["image"]
    status, error = await create(world, manifest)
    assert status == 422
    assert error["reason"] == "Invalid"
    fields = {cause["field"] for cause in error["details"]["causes"]}
    assert {"metadata.name", "spec.containers[0].image"} <= fields
    assert "spec.containers[0].image: Required value" in error["message"]


async def test_unknown_fields_are_refused_by_name(world, pod):
    status, error = await create(world, pod(restartpolicy="Never"))
    assert status == 400
    assert 'unknown field "spec.restartpolicy"' in error["message"]


async def test_unknown_fields_pass_where_the_client_wants_it(world, pod):
    body = pod(restartpolicy="Never")
    async with world.client.post(f"{PODS}?fieldValidation=Warn", json=body) as response:
        assert response.status == 201
        assert response.headers["Warning"].startswith('299 - "unknown field \\"spec.restartpolicy\\"')
        assert "restartpolicy" not in (await response.json())["spec"]
    body["metadata"]["name"] = "other"
    async with world.client.post(f"{PODS}?fieldValidation=Ignore", json=body) as response:
        assert response.status == 201
        assert "Warning" not in response.headers
    status, error = await create(world, pod(hostname=5), "?fieldValidation=Ignore")
    assert status == 400
    assert "spec.hostname: expected string, got number" in error["message"]


async def test_a_forced_deletion_is_warned_about_by_the_client_not_here(world, pod):
    await create(world, pod())
    async with world.client.delete(f"{PODS}/web?gracePeriodSeconds=0") as response:
        assert response.status == 200
        assert "Warning" not in response.headers


async def test_what_is_no_json(world):
    async with world.client.post(PODS, data=b"{nonsense", headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
        assert (await response.json())["reason"] == "BadRequest"


async def test_other_media_types_are_refused(world):
    async with world.client.post(PODS, data=b"a: b", headers={"Content-Type": "application/yaml"}) as response:
        assert response.status == 415


async def test_a_body_that_is_too_large(world):
    async with world.client.post(
        PODS, data=b" " * (3 << 20) + b"{}", headers={"Content-Type": "application/json"}
    ) as got:
        assert got.status == 413
        assert (await got.json())["reason"] == "RequestEntityTooLarge"


async def test_another_namespace_in_the_body(world, pod):
    manifest = pod()
    manifest["metadata"]["namespace"] = "other"
    status, error = await create(world, manifest)
    assert status == 400
    assert "does not match the namespace" in error["message"]


async def test_a_namespace_that_is_not_there(world, pod):
    status, error = await answer(world.client.post("/api/v1/namespaces/nowhere/pods", json=pod()))
    assert status == 404
    assert error["message"] == 'namespaces "nowhere" not found'


async def test_dry_run_changes_nothing(world, pod):
    status, made = await create(world, pod(), "?dryRun=All")
    assert status == 201
    assert made["spec"]["nodeName"] == "node1"
    status, _ = await answer(world.client.get(f"{PODS}/web"))
    assert status == 404


async def test_fields_that_mean_nothing_here_are_warned_about(world, pod):
    async with world.client.post(PODS, json=pod(nodeSelector={"disk": "ssd"})) as response:
        assert response.status == 201
        assert response.headers["Warning"].startswith('299 - "spec.nodeSelector')


async def test_lists_are_selected_and_paged(world, pod):
    for number in range(5):
        await create(world, pod(f"p{number}", labels={"odd": str(number % 2)}))
    _, odd = await answer(world.client.get(PODS, params={"labelSelector": "odd=1"}))
    assert [item["metadata"]["name"] for item in odd["items"]] == ["p1", "p3"]
    _, one = await answer(world.client.get("/api/v1/pods", params={"fieldSelector": "metadata.name=p2"}))
    assert [item["metadata"]["name"] for item in one["items"]] == ["p2"]
    _, first = await answer(world.client.get(PODS, params={"limit": "2"}))
    assert first["metadata"]["remainingItemCount"] == 3
    names = [item["metadata"]["name"] for item in first["items"]]
    token = first["metadata"]["continue"]
    while token:
        _, page = await answer(world.client.get(PODS, params={"limit": "2", "continue": token}))
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
    assert names == ["p0", "p1", "p2", "p3", "p4"]


async def test_bad_selectors_and_tokens(world):
    for params in ({"fieldSelector": "spec.foo=1"}, {"labelSelector": "a in b"}, {"continue": "???"}, {"limit": "x"}):
        status, error = await answer(world.client.get(PODS, params=params))
        assert (status, error["reason"]) == (400, "BadRequest"), params


async def test_tables(world, pod):
    await create(world, pod())
    await until(world, "web", running)
    _, table = await answer(world.client.get(PODS, headers=TABLE))
    assert table["kind"] == "Table"
    shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert shown == ["Name", "Ready", "Status", "Restarts", "Age"]
    row = table["rows"][0]
    assert row["cells"][:4] == ["web", "1/1", "Running", "0"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "web"


async def test_labels_are_patched(world, pod):
    _, made = await create(world, pod(labels={"a": "1"}))
    for media, body in (
        ("application/merge-patch+json", {"metadata": {"labels": {"a": None, "b": "2"}}}),
        ("application/strategic-merge-patch+json", {"metadata": {"labels": {"c": "3"}}}),
    ):
        request = world.client.patch(f"{PODS}/web", data=json.dumps(body), headers={"Content-Type": media})
        status, patched = await answer(request)
        assert status == 200
    operations = [{"op": "add", "path": "/metadata/labels/d", "value": "4"}]
    headers = {"Content-Type": "application/json-patch+json"}
    status, patched = await answer(world.client.patch(f"{PODS}/web", data=json.dumps(operations), headers=headers))
    assert patched["metadata"]["labels"] == {"b": "2", "c": "3", "d": "4"}
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert patched["metadata"]["generation"] == 1


async def test_a_patch_may_not_change_what_may_not_change(world, pod):
    await create(world, pod())
    headers = {"Content-Type": "application/merge-patch+json"}
    body = json.dumps({"spec": {"restartPolicy": "Never"}})
    status, error = await answer(world.client.patch(f"{PODS}/web", data=body, headers=headers))
    assert status == 422
    assert error["reason"] == "Invalid"


async def test_an_update_of_an_old_version_is_a_conflict(world, pod):
    await create(world, pod())
    current = await until(world, "web", running)
    current["metadata"]["labels"] = {"x": "y"}
    current["metadata"]["resourceVersion"] = "1"
    status, error = await answer(world.client.put(f"{PODS}/web", json=current))
    assert status == 409
    assert error["reason"] == "Conflict"


async def test_a_deletion_is_graceful(world, pod):
    await create(world, pod(terminationGracePeriodSeconds=7))
    await until(world, "web", running)
    status, going = await answer(world.client.delete(f"{PODS}/web"))
    assert status == 200
    assert going["metadata"]["deletionGracePeriodSeconds"] == 7
    assert going["metadata"]["deletionTimestamp"]
    await world.eventually(lambda: world.store.objects.find("Pod", "default", "web") is None)
    await world.supervisor.settled()
    stop = next(call for call in world.runtime.calls if call[0] == "stop_container")
    assert 6 <= stop[2] <= 7
    assert not world.runtime.sandboxes


async def test_a_forced_deletion_does_not_wait(world, pod):
    await create(world, pod())
    await until(world, "web", running)
    status, _ = await answer(world.client.delete(f"{PODS}/web", params={"gracePeriodSeconds": "0"}))
    assert status == 200
    assert (await answer(world.client.get(f"{PODS}/web")))[0] == 404
    await world.supervisor.settled()
    assert not world.runtime.sandboxes


async def test_preconditions_of_a_deletion(world, pod):
    await create(world, pod())
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "another"}}
    status, error = await answer(world.client.delete(f"{PODS}/web", json=body))
    assert status == 409
    assert "UID in precondition: another" in error["message"]


async def test_a_collection_is_deleted(world, pod):
    await create(world, pod("a", labels={"x": "1"}))
    await create(world, pod("b"))
    _, gone = await answer(world.client.delete(PODS, params={"labelSelector": "x=1", "gracePeriodSeconds": "0"}))
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a"]
    _, left = await answer(world.client.get(PODS))
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


async def test_a_namespace_goes_with_its_pods(world, pod):
    world.runtime.obstinate = asyncio.Event()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    assert (await answer(world.client.post("/api/v1/namespaces", json=namespace)))[0] == 201
    assert (await answer(world.client.post("/api/v1/namespaces/team/pods", json=pod())))[0] == 201
    await world.eventually(lambda: world.runtime.containers)
    _, going = await answer(world.client.delete("/api/v1/namespaces/team"))
    assert going["status"]["phase"] == "Terminating"
    status, error = await answer(world.client.post("/api/v1/namespaces/team/pods", json=pod("late")))
    assert (status, error["reason"]) == (403, "Forbidden")
    world.runtime.obstinate.set()
    await world.eventually(lambda: world.store.objects.find("Namespace", "", "team") is None)


async def test_the_default_namespace_stays(world):
    status, error = await answer(world.client.delete("/api/v1/namespaces/default"))
    assert (status, error["reason"]) == (403, "Forbidden")


async def test_verbs_that_a_kind_does_not_have(world):
    status, error = await answer(world.client.post("/api/v1/nodes", json={}))
    assert (status, error["reason"]) == (405, "MethodNotAllowed")


async def test_paths_that_are_not_served(world):
    for path in ("/nothing", "/api/v2/pods", "/api/v1/widgets", f"{PODS}/web/nothing", "/apis/apps/v1/deployments"):
        status, error = await answer(world.client.get(path))
        assert (status, error["kind"]) == (404, "Status"), path


async def test_discovery(world):
    _, core = await answer(world.client.get("/api/v1"))
    names = {entry["name"] for entry in core["resources"]}
    assert {"pods", "pods/log", "pods/exec", "events", "namespaces", "nodes"} <= names
    _, groups = await answer(world.client.get("/apis"))
    assert {group["name"] for group in groups["groups"]} == {"metrics.k8s.io", "pyrt.dev", "storage.k8s.io"}
    _, version = await answer(world.client.get("/version"))
    assert version["major"] == "1"
    async with world.client.get("/healthz") as response:
        assert await response.text() == "ok"


async def test_the_node(world):
    _, nodes = await answer(world.client.get("/api/v1/nodes"))
    node = nodes["items"][0]
    assert node["metadata"]["name"] == "node1"
    assert {"type": "InternalIP", "address": "192.0.2.1"} in node["status"]["addresses"]
    assert (await answer(world.client.get("/api/v1/nodes/other")))[0] == 404


async def test_events_tell_what_happened(world, pod):
    await create(world, pod())
    await until(world, "web", running)
    world.supervisor.events.flush()
    _, events = await answer(
        world.client.get(
            "/api/v1/namespaces/default/events",
            params={"fieldSelector": "involvedObject.name=web,involvedObject.kind=Pod"},
        )
    )
    assert [event["reason"] for event in events["items"]] == ["Scheduled", "Pulled", "Created", "Started"]
