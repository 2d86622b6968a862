"""Updates and patches: what may change, what holds a deletion, and what is said to who asks for more."""

import pytest

from tests.unit.api.test_objects import PODS, answer, create, running, until

WEB = f"{PODS}/web"
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON = {"Content-Type": "application/json-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


async def merge(world, change, path=WEB):
    return await answer(world.client.patch(path, json=change, headers=MERGE))


async def gone(world, path=WEB):
    async with world.client.get(path) as response:
        return response.status == 404


class TestMetadata:
    async def test_generation_counts_changes_of_the_spec(self, world, pod):
        _, made = await create(world, pod())
        assert made["metadata"]["generation"] == 1
        _, labelled = await merge(world, {"metadata": {"labels": {"a": "b"}}})
        assert labelled["metadata"]["generation"] == 1
        _, changed = await merge(world, {"spec": {"activeDeadlineSeconds": 1000}})
        assert changed["metadata"]["generation"] == 2

        def observed(event):
            status = event["object"]["status"]
            conditions = {c.get("observedGeneration") for c in status.get("conditions", [])}
            return status.get("observedGeneration") == 2 and conditions == {2}

        await until(world, "web", observed)

    async def test_generation_only_grows(self, world, pod):
        await create(world, pod())
        assert (await merge(world, {"metadata": {"generation": 7}}))[1]["metadata"]["generation"] == 7
        code, error = await merge(world, {"metadata": {"generation": 6}})
        assert code == 422
        assert "metadata.generation: Invalid value: 6: must not be decremented" in error["message"]

    @pytest.mark.parametrize(
        ("field", "code", "message"),
        [
            ("name", 400, "the name of the object (other) does not match the name on the URL (web)"),
            ("namespace", 400, "the namespace of the object (other) does not match the namespace on the request"),
            ("uid", 409, "Precondition failed: UID in precondition: other, UID in object meta: "),
        ],
    )
    async def test_identity_cannot_be_changed(self, world, pod, field, code, message):
        await create(world, pod())
        found, error = await merge(world, {"metadata": {field: "other"}})
        assert (found, message in error["message"]) == (code, True)

    async def test_neither_can_the_time_of_creation(self, world, pod):
        await create(world, pod())
        code, error = await merge(world, {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}})
        assert code == 422
        assert "metadata.creationTimestamp: Invalid value" in error["message"]
        code, _ = await merge(world, {"metadata": {"creationTimestamp": None, "uid": None, "name": None}})
        assert code == 200  # what is left out is meant to stay

    async def test_a_deletion_is_not_asked_for_by_its_time(self, world, pod):
        await create(world, pod())
        code, error = await merge(world, {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}})
        assert code == 422
        assert "metadata.deletionTimestamp: Invalid value" in error["message"]

    async def test_owners_and_generated_names_are_kept(self, world, pod):
        manifest = pod()
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
        manifest["metadata"] = {"generateName": "web-", "ownerReferences": [owner]}
        _, made = await create(world, manifest)
        path = f"{PODS}/{made['metadata']['name']}"
        _, changed = await merge(world, {"metadata": {"labels": {"a": "b"}, "generateName": None}}, path)
        assert changed["metadata"]["generateName"] == "web-"
        assert changed["metadata"]["ownerReferences"] == [owner]


class TestLocking:
    async def test_an_old_resource_version_is_a_conflict(self, world, pod):
        _, made = await create(world, pod())
        await until(world, "web", running)
        for change in (
            world.client.put(WEB, json=made | {"status": {}}),
            world.client.patch(
                WEB, json={"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}, headers=MERGE
            ),
        ):
            code, error = await answer(change)
            assert code == 409
            assert error["message"] == (
                'Operation cannot be fulfilled on pods "web": the object has been modified; '
                "please apply your changes to the latest version and try again"
            )

    async def test_without_one_the_present_object_is_meant(self, world, pod):
        _, made = await create(world, pod())
        await until(world, "web", running)
        del made["metadata"]["resourceVersion"]
        made["metadata"]["labels"] = {"a": "b"}
        code, put = await answer(world.client.put(WEB, json=made))
        assert code == 200
        assert put["status"]["phase"] == "Running"

    async def test_a_dry_run_tells_and_does_nothing(self, world, pod):
        await create(world, pod())
        code, dry = await merge(world, {"spec": {"activeDeadlineSeconds": 5}}, f"{WEB}?dryRun=All")
        assert (code, dry["spec"]["activeDeadlineSeconds"]) == (200, 5)
        _, found = await answer(world.client.get(WEB))
        assert "activeDeadlineSeconds" not in found["spec"]


class TestSpec:
    async def test_a_new_image_replaces_that_container_alone(self, world, pod):
        manifest = pod()
        manifest["spec"]["containers"].append({"name": "other", "image": "busybox:1.36"})
        await create(world, manifest)
        before = await until(world, "web", running)
        change = {"spec": {"containers": [{"name": "app", "image": "busybox"}]}}
        code, _ = await answer(world.client.patch(WEB, json=change, headers=STRATEGIC))
        assert code == 200

        def replaced(event):
            app, _ = event["object"]["status"]["containerStatuses"]
            return app["restartCount"] == 1 and "running" in app["state"]

        after = await until(world, "web", replaced)
        ids = [[s["containerID"] for s in p["status"]["containerStatuses"]] for p in (before, after)]
        assert ids[0][0] != ids[1][0]
        assert ids[0][1] == ids[1][1]

    async def test_everything_else_is_refused_with_what_differs(self, world, pod):
        await create(world, pod())
        code, error = await merge(world, {"spec": {"restartPolicy": "Never"}})
        assert code == 422
        assert error["details"]["causes"][0]["field"] == "spec"
        assert error["message"].startswith(
            'Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than'
        )
        assert '\n- "restartPolicy": "Always",\n+ "restartPolicy": "Never",\n' in error["message"]


class TestFinalizers:
    async def test_they_keep_the_object_when_the_pod_has_ended(self, world, pod):
        manifest = pod()
        manifest["metadata"]["finalizers"] = ["example.com/hold"]
        await create(world, manifest)
        await until(world, "web", running)
        await answer(world.client.delete(WEB))
        held = await until(world, "web", lambda e: e["object"]["metadata"].get("deletionGracePeriodSeconds") == 0)
        assert held["metadata"]["deletionTimestamp"]
        assert held["status"]["phase"] == "Failed"
        assert not any(s.state.name == "READY" for s in world.runtime.sandboxes.values())
        code, error = await merge(world, {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})
        assert code == 422
        assert 'found new finalizers []string{"example.com/more"}' in error["message"]
        assert not await gone(world)
        code, _ = await merge(world, {"metadata": {"finalizers": None}})
        assert code == 200
        assert await gone(world)

    async def test_force_does_not_override_them(self, world, pod):
        manifest = pod()
        manifest["metadata"]["finalizers"] = ["example.com/hold"]
        await create(world, manifest)
        await until(world, "web", running)
        code, going = await answer(world.client.delete(f"{WEB}?gracePeriodSeconds=0"))
        assert (code, going["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
        await until(world, "web", lambda e: e["object"]["status"]["phase"] == "Failed")
        await merge(world, {"metadata": {"finalizers": []}})
        assert await gone(world)

    async def test_a_stored_object_is_held_too(self, world):
        path = "/api/v1/namespaces/default/secrets"
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "finalizers": ["example.com/x"]}}
        await answer(world.client.post(path, json=secret))
        code, going = await answer(world.client.delete(f"{path}/s"))
        assert (code, going["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
        patch = [{"op": "remove", "path": "/metadata/finalizers/0"}]
        code, _ = await answer(world.client.patch(f"{path}/s", json=patch, headers=JSON))
        assert code == 200
        assert await gone(world, f"{path}/s")


class TestPatches:
    async def test_json_patch_operations(self, world, pod):
        await create(world, pod(labels={"a": "1"}))
        operations = [
            {"op": "test", "path": "/metadata/labels/a", "value": "1"},
            {"op": "add", "path": "/metadata/labels/example.com~1b", "value": "2"},
            {"op": "copy", "from": "/metadata/labels/a", "path": "/metadata/labels/c"},
            {"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/d"},
            {"op": "replace", "path": "/metadata/labels/c", "value": "3"},
        ]
        code, patched = await answer(world.client.patch(WEB, json=operations, headers=JSON))
        assert code == 200
        assert patched["metadata"]["labels"] == {"example.com/b": "2", "c": "3", "d": "1"}

    @pytest.mark.parametrize(
        ("operation", "code"),
        [
            ({"op": "test", "path": "/metadata/name", "value": "x"}, 422),
            ({"op": "remove", "path": "/metadata/nothing"}, 422),
            ({"op": "replace", "path": "/spec/containers/7/image", "value": "x"}, 422),
            ({"op": "dance", "path": "/metadata"}, 400),
            ({"op": "add", "path": "metadata", "value": 1}, 400),
        ],
    )
    async def test_json_patches_that_do_not_fit(self, world, pod, operation, code):
        await create(world, pod())
        found, _ = await answer(world.client.patch(WEB, json=[operation], headers=JSON))
        assert found == code

    async def test_the_body_has_to_be_a_patch(self, world, pod):
        await create(world, pod())
        for headers, body in ((MERGE, b"[]"), (JSON, b"{}"), (STRATEGIC, b"{")):
            code, error = await answer(world.client.patch(WEB, data=body, headers=headers))
            assert code == 400
            assert error["message"].startswith("error decoding patch: ")

    async def test_server_side_apply_is_refused_by_its_name(self, world, pod):
        await create(world, pod())
        for media in ("application/apply-patch+yaml", "text/plain"):
            code, error = await answer(world.client.patch(WEB, data=b"{}", headers={"Content-Type": media}))
            assert (code, error["reason"]) == (415, "UnsupportedMediaType")
            assert ("server-side apply is not supported" in error["message"]) == (media != "text/plain")
            assert "application/strategic-merge-patch+json" in error["message"]

    async def test_copies_do_not_grow_without_end(self, world, pod):
        await create(world, pod())
        double = [
            {"op": "copy", "from": "/metadata/annotations", "path": f"/metadata/annotations/{number}"}
            for number in range(40)
        ]
        operations = [{"op": "add", "path": "/metadata/annotations", "value": {"a": "x" * 1000}}, *double]
        code, error = await answer(world.client.patch(WEB, json=operations, headers=JSON))
        assert (code, error["reason"]) == (413, "RequestEntityTooLarge")
